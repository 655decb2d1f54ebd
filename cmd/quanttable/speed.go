package main

import (
	"context"
	"slices"
)

// speeds are how fast models of true shapes are on an adapter, all matrices of one type, random weights.
type speeds struct {
	Adapter string     `json:"adapter"`
	Rows    []speedRow `json:"rows"`
}

type speedRow struct {
	Shape   string  `json:"shape"`
	Type    string  `json:"type"`
	Prefill float64 `json:"prefill"` // tok/s
	Decode  float64 `json:"decode"`
}

// measureSpeeds measures shapes with types, into a file whose other rows stay.
func (t *table) measureSpeeds(ctx context.Context, path string, shapes, types []string) error {
	var all speeds
	if err := load(path, &all); err != nil {
		return err
	}
	for _, shape := range shapes {
		for _, kind := range types {
			r := speedRow{Shape: shape, Type: kind}
			var err error
			if r.Prefill, r.Decode, all.Adapter, err = t.bench(ctx, "--shape", shape, "--type", kind); err != nil {
				return err
			}
			if i := slices.IndexFunc(all.Rows, func(x speedRow) bool { return x.Shape == shape && x.Type == kind }); i >= 0 {
				all.Rows[i] = r
			} else {
				all.Rows = append(all.Rows, r)
			}
			if err := save(path, all); err != nil {
				return err
			}
		}
	}
	return nil
}

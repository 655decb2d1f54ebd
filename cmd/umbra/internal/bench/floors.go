package bench

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"umbra/gpu"
)

// Ratio is how fast a kernel is beside what was timed in turns with it, so that a slow or busy machine counts for little.
type Ratio struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`           // of the adapter's copy bandwidth or multiply-add rate, as Op.Share
	Plain float64 `json:"plain,omitempty"` // times as fast as a plain kernel; 0 where none was timed
}

// Record is what was measured once on an adapter, or on adapters of a kind, to compare with.
type Record struct {
	Kind    string  `json:"kind"`           // gpu.Kind's name
	Name    string  `json:"name,omitempty"` // part of the adapter's name; "": any of the kind
	From    string  `json:"from"`           // the device and driver it comes from
	Kernels []Ratio `json:"kernels"`
}

// allowed is the share of a recorded ratio below which a kernel is found slow. Machines are noisy, and drivers differ.
const allowed = 0.6

//go:embed floors.json
var floorsJSON []byte

// records are the committed ones.
func records() ([]Record, error) {
	var all []Record
	if err := json.Unmarshal(floorsJSON, &all); err != nil {
		return nil, fmt.Errorf("bench: floors.json: %w", err)
	}
	return all, nil
}

// recordFor picks the record that names the adapter, else the one for its kind.
func recordFor(all []Record, info gpu.AdapterInfo) (r Record, ok bool) {
	for _, x := range all {
		if x.Kind != info.Kind.String() || !strings.Contains(strings.ToLower(info.Name), strings.ToLower(x.Name)) {
			continue
		}
		if !ok || len(x.Name) > len(r.Name) {
			r, ok = x, true
		}
	}
	return r, ok
}

// find is the recorded ratio of a kernel.
func (r Record) find(kernel string) (Ratio, bool) {
	for _, k := range r.Kernels {
		if k.Name == kernel {
			return k, true
		}
	}
	return Ratio{}, false
}

// below says in what got falls short of the recorded ratio, if it does.
func (r Ratio) below(got Ratio) (short []string) {
	if wanted := allowed * r.Share; got.Share < wanted {
		short = append(short, fmt.Sprintf("%s of the adapter's own speed, wanted %s", Percent(got.Share), Percent(wanted)))
	}
	if wanted := allowed * r.Plain; got.Plain < wanted {
		short = append(short, fmt.Sprintf("%.3g times a plain kernel, wanted %.3g", got.Plain, wanted))
	}
	return short
}

// better takes the better of two measurements of a kernel, ratio by ratio.
func (r Ratio) better(x Ratio) Ratio {
	return Ratio{r.Name, max(r.Share, x.Share), max(r.Plain, x.Plain)}
}

// missing lists recorded kernels that were not measured: renamed or dropped, they would never be found slow.
func (r Record) missing(measured []Ratio) (names []string) {
	for _, k := range r.Kernels {
		if _, ok := (Record{Kernels: measured}).find(k.Name); !ok {
			names = append(names, k.Name)
		}
	}
	return names
}

// Percent is a share as text.
func Percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

package quantize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"umbra/model/gguf"
	"umbra/model/quant"
)

// Keys of the metadata that say how a file was quantised.
const (
	keyFileType = "general.file_type"
	keyVersion  = "general.quantization_version"
	version     = 2 // ggml's GGML_QNT_VERSION
)

// pieceValues is how many values are in memory at once.
const pieceValues = 4 << 20

// File quantises a model and writes it to path, which it takes when it is whole: see gguf.Writer.Save. ctx ends it early, with
// its cause and nothing left behind.
func File(ctx context.Context, f *gguf.File, path string, o Options) (Plan, error) {
	p, err := PlanFor(f, o)
	if err != nil {
		return p, err
	}
	if o.Warn != nil {
		for _, w := range p.Warnings {
			o.Warn(w)
		}
	}
	w := gguf.NewWriter()
	for _, kv := range metadata(f, o) {
		w.Set(kv.Key, kv.Value)
	}
	done, total := int64(0), int64(p.Bytes())
	report := func(n int) {
		if done += int64(n); o.Progress != nil {
			o.Progress(done, total)
		}
	}
	for _, t := range p.Tensors {
		w.AddFrom(t.Name, t.To, t.Dims, &stream{ctx: ctx, t: t, data: f.Data(t.Tensor), workers: o.Workers, report: report})
	}
	if err := w.Save(path); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return p, err
	}
	return p, nil
}

// metadata is the file's, with what was quantised now in the place of what was before.
func metadata(f *gguf.File, o Options) []gguf.KV {
	kvs := slices.Clone(f.Metadata)
	set := func(key string, value any) {
		if i := slices.IndexFunc(kvs, func(kv gguf.KV) bool { return kv.Key == key }); i >= 0 {
			kvs[i].Value = value
		} else {
			kvs = append(kvs, gguf.KV{Key: key, Value: value})
		}
	}
	set(keyFileType, o.Mix.FileType)
	set(keyVersion, uint32(version))
	if m := o.Importance; m != nil {
		set("quantize.imatrix.file", o.ImportanceName)
		set("quantize.imatrix.entries_count", uint32(len(m.Entries)))
		set("quantize.imatrix.chunks_count", uint32(m.Chunks))
		if len(m.Datasets) > 0 {
			set("quantize.imatrix.dataset", m.Datasets[len(m.Datasets)-1])
		}
	}
	return kvs
}

// stream gives a tensor's new bytes, made piece by piece as they are read.
type stream struct {
	ctx     context.Context
	t       Tensor
	data    []byte // not yet read
	workers int
	report  func(bytes int)

	row    int // of the next piece
	values []float32
	piece  []byte
	ready  []byte // of piece, not yet given
}

// Read fills b from pieces. A piece ends where a matrix of the tensor does, as the next may have another importance.
func (s *stream) Read(b []byte) (int, error) {
	if len(s.ready) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.ready)
	s.ready = s.ready[n:]
	s.report(n)
	return n, nil
}

// next makes the next piece.
func (s *stream) next() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if len(s.data) == 0 {
		return io.EOF
	}
	cols := int(s.t.Dims[0])
	from := cols / s.t.Type.BlockSize() * s.t.Type.BlockBytes()
	if s.t.To == s.t.Type {
		n := min(len(s.data), 4*pieceValues)
		s.ready, s.data = s.data[:n], s.data[n:]
		return nil
	}
	perMatrix := int(s.t.Dims[1])
	rows := min(max(1, pieceValues/cols), perMatrix-s.row%perMatrix)
	s.values = slices.Grow(s.values[:0], rows*cols)[:rows*cols]
	size := rows * cols / s.t.To.BlockSize() * s.t.To.BlockBytes()
	s.piece = slices.Grow(s.piece[:0], size)[:size]
	if err := quant.DequantizeRows(s.t.Type, s.data[:rows*from], cols, s.workers, s.values); err != nil {
		return err
	}
	if s.t.To == gguf.F16 {
		if i := slices.IndexFunc(s.values, tooLargeForF16); i >= 0 {
			return s.refuse(i, cols)
		}
	}
	var importance []float32
	if s.t.entry != nil {
		importance = s.t.entry.Weights(s.row / perMatrix)
	}
	err := quant.QuantizeRows(s.t.To, s.values, cols, importance, s.workers, s.piece)
	if bad := (*quant.ValueError)(nil); errors.As(err, &bad) {
		return s.refuse(bad.Index, cols)
	}
	if err != nil {
		return err
	}
	s.ready, s.data, s.row = s.piece, s.data[rows*from:], s.row+rows
	return nil
}

// tooLargeForF16 reports whether a finite value would become infinite.
func tooLargeForF16(v float32) bool {
	m := math.Abs(float64(v))
	return m >= 65520 && !math.IsInf(m, 0)
}

// refuse names the value of the piece that the new type cannot hold.
func (s *stream) refuse(i, cols int) error {
	return fmt.Errorf("row %d, column %d is %g, which %v cannot hold; keep this tensor in F32 or BF16 by an override of its type",
		s.row+i/cols, i%cols, s.values[i], s.t.To)
}

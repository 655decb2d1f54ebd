package imatrix

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"umbra/model/gguf"
)

// Names in the file.
const (
	kind         = "imatrix" // general.type
	keyDatasets  = "imatrix.datasets"
	keyChunks    = "imatrix.chunk_count"
	keyChunkSize = "imatrix.chunk_size"
	suffixSums   = ".in_sum2"
	suffixCounts = ".counts"
)

// Load reads a file. It is refused as a whole if an entry is incomplete, or holds a number that cannot be.
func Load(path string) (*Matrix, error) {
	f, err := gguf.Open(path)
	if errors.Is(err, gguf.ErrMagic) {
		return nil, fmt.Errorf("%w; an importance matrix in the older .dat format must be converted first (llama-imatrix --in-file OLD -o NEW.gguf)", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("imatrix: %s: %w", path, err)
	}
	return m, nil
}

// Read reads a decoded file. Tensors of other names are left alone.
func Read(f *gguf.File) (*Matrix, error) {
	if t, _ := f.String("general.type"); t != kind {
		return nil, fmt.Errorf("general.type is %q, not %q: this is no importance matrix", t, kind)
	}
	chunks, _ := f.Uint(keyChunks)
	size, _ := f.Uint(keyChunkSize)
	m := &Matrix{Chunks: int(min(chunks, math.MaxInt32)), ChunkSize: int(min(size, math.MaxInt32)), Entries: map[string]*Entry{}}
	m.Datasets, _ = f.Strings(keyDatasets)
	m.Datasets = slices.Clone(m.Datasets)
	for _, t := range f.Tensors {
		name, ok := strings.CutSuffix(t.Name, suffixSums)
		if !ok {
			continue
		}
		e, err := readEntry(f, t, name)
		if err != nil {
			return nil, err
		}
		m.Entries[name] = e
	}
	if len(m.Entries) == 0 {
		return nil, fmt.Errorf("no tensor ends in %q", suffixSums)
	}
	return m, nil
}

func readEntry(f *gguf.File, sums gguf.Tensor, name string) (*Entry, error) {
	counts, ok := f.Tensor(name + suffixCounts)
	if !ok {
		return nil, fmt.Errorf("tensor %q is missing", name+suffixCounts)
	}
	if counts.Elements() != sums.Rows() {
		return nil, fmt.Errorf("tensor %q has %d values for %d matrices", counts.Name, counts.Elements(), sums.Rows())
	}
	e := &Entry{Cols: int(sums.Dims[0])}
	var err error
	if e.Sums, err = floats(f, sums); err != nil {
		return nil, err
	}
	if e.Counts, err = floats(f, counts); err != nil {
		return nil, err
	}
	return e, nil
}

// floats reads an F32 tensor whose values must be finite and not negative.
func floats(f *gguf.File, t gguf.Tensor) ([]float32, error) {
	if t.Type != gguf.F32 {
		return nil, fmt.Errorf("tensor %q is %v, not F32", t.Name, t.Type)
	}
	raw := f.Data(t)
	values := make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		if v := values[i]; !(v >= 0 && v <= math.MaxFloat32) {
			return nil, fmt.Errorf("tensor %q: value %d is %g, which no sum of squares or count is; make the matrix again", t.Name, i, v)
		}
	}
	return values, nil
}

// WriteTo writes the file, entries in order of their names.
func (m *Matrix) WriteTo(w io.Writer) (int64, error) { return m.writer().WriteTo(w) }

// Save writes the file under path, which it takes when it is whole.
func (m *Matrix) Save(path string) error { return m.writer().Save(path) }

func (m *Matrix) writer() *gguf.Writer {
	w := gguf.NewWriter()
	w.Set("general.type", kind)
	w.Set(keyDatasets, append([]string{}, m.Datasets...))
	w.Set(keyChunks, uint32(m.Chunks))
	w.Set(keyChunkSize, uint32(m.ChunkSize))
	for _, name := range slices.Sorted(maps.Keys(m.Entries)) {
		e := m.Entries[name]
		n := uint64(len(e.Counts))
		w.Add(name+suffixSums, gguf.F32, []uint64{uint64(e.Cols), n}, raw(e.Sums))
		w.Add(name+suffixCounts, gguf.F32, []uint64{1, n}, raw(e.Counts))
	}
	return w
}

func raw(values []float32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

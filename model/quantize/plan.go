// Package quantize writes a GGUF model with its matrices in other types: it reads one file, decides each tensor's type by a mix (package mix), and
// writes another, tensor by tensor, so that memory stays at some tens of MB whatever the model. How values become blocks is
// package quant's.
package quantize

import (
	"fmt"
	"slices"
	"strings"

	"umbra/model/gguf"
	"umbra/model/imatrix"
	"umbra/model/quant"
	"umbra/model/quant/mix"
)

// Options say how a model is quantised.
type Options struct {
	Mix        mix.Mix // the zero Mix leaves every type as it is
	Overrides  []mix.Override
	Importance *imatrix.Matrix // nil: all columns count the same
	// ImportanceName is what the file says its importance matrix was called.
	ImportanceName string
	Workers        int                     // goroutines; 0: as many as GOMAXPROCS
	Progress       func(done, total int64) // bytes of tensors written
	Warn           func(string)            // told of what makes the result worse than it could be; nil: nobody is
}

// Tensor is a tensor and what it becomes.
type Tensor struct {
	gguf.Tensor
	To    gguf.Type
	Bytes uint64 // as To
	entry *imatrix.Entry
}

// Plan is what a file becomes.
type Plan struct {
	Tensors  []Tensor
	Warnings []string
}

// Bytes are the bytes of all tensors.
func (p Plan) Bytes() (n uint64) {
	for _, t := range p.Tensors {
		n += t.Bytes
	}
	return n
}

// BitsPerWeight is the mean over all values.
func (p Plan) BitsPerWeight() float64 {
	var n uint64
	for _, t := range p.Tensors {
		n += t.Elements()
	}
	return 8 * float64(p.Bytes()) / float64(max(n, 1))
}

// PlanFor decides what each tensor of a file becomes.
func PlanFor(f *gguf.File, o Options) (Plan, error) {
	if kind, _ := f.String("general.type"); kind == "imatrix" {
		return Plan{}, fmt.Errorf("quantize: the file is an importance matrix, not a model")
	}
	var p Plan
	model := modelOf(f)
	used, again, lost, unseen := 0, map[gguf.Type]int{}, []string(nil), []string(nil)
	for _, t := range f.Tensors {
		to, ok, err := t.Type, false, error(nil)
		if o.Mix.Name != "" {
			to, ok, err = o.Mix.Type(t.Name, t.Dims, model, o.Overrides)
		}
		if err != nil {
			return Plan{}, err
		}
		x := Tensor{Tensor: t, To: t.Type, Bytes: t.Size}
		if ok && slices.Contains(quant.Types(), t.Type) && to != t.Type {
			x.To, x.Bytes = to, t.Elements()/uint64(to.BlockSize())*uint64(to.BlockBytes())
			if t.Type.BlockSize() > 1 {
				again[t.Type]++
			}
		}
		if x.To != t.Type && x.To.BlockSize() > 1 && o.Importance != nil {
			if x.entry, err = entryOf(o.Importance, t); err != nil {
				return Plan{}, err
			}
			if x.entry != nil {
				used++
				if n := x.entry.Unseen(); n > 0 {
					unseen = append(unseen, fmt.Sprintf("%s (%d of %d)", t.Name, n, len(x.entry.Counts)))
				}
			} else {
				lost = append(lost, t.Name)
			}
		}
		p.Tensors = append(p.Tensors, x)
	}
	p.warn(again, lost, unseen)
	if o.Importance != nil && used == 0 && len(lost) > 0 {
		return Plan{}, fmt.Errorf("quantize: none of the importance matrix's %d entries is one of this model's tensors; it was made with another model", len(o.Importance.Entries))
	}
	return p, nil
}

// warn notes what was lost before, and what is quantised without an importance though there is a matrix: lost are whole tensors, unseen those
// with experts that no token reached.
func (p *Plan) warn(again map[gguf.Type]int, lost, unseen []string) {
	for _, t := range quant.Types() {
		if n := again[t]; n > 0 {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%d tensors are quantised already (%v): what that lost stays lost; better quantise from F32, F16 or BF16 if you can", n, t))
		}
	}
	if len(lost) > 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the importance matrix has no entry for %s; they are quantised without", some(lost)))
	}
	if len(unseen) > 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the importance matrix has counted no token for experts of %s; these are quantised without", some(unseen)))
	}
}

// some are the first few of many names.
func some(names []string) string {
	first := strings.Join(names[:min(3, len(names))], ", ")
	if n := len(names) - 3; n > 0 {
		first += fmt.Sprintf(" and %d more", n)
	}
	return first
}

// entryOf returns a tensor's entry, nil if there is none.
func entryOf(m *imatrix.Matrix, t gguf.Tensor) (*imatrix.Entry, error) {
	e := m.Entries[t.Name]
	if e == nil {
		return nil, nil
	}
	if n := matrices(t); uint64(e.Cols) != t.Dims[0] || uint64(len(e.Counts)) != n {
		return nil, fmt.Errorf("quantize: tensor %q has %d columns in %d matrices, the importance matrix's entry %d in %d; it was made with another model",
			t.Name, t.Dims[0], n, e.Cols, len(e.Counts))
	}
	return e, nil
}

// matrices is how many matrices lie in a tensor, one after the other.
func matrices(t gguf.Tensor) uint64 {
	n := uint64(1)
	for _, d := range t.Dims[2:] {
		n *= d
	}
	return n
}

// modelOf reads what a mix has to know. What a file does not say is taken from its tensors, or as of a plain model.
func modelOf(f *gguf.File) mix.Model {
	arch, _ := f.String("general.architecture")
	number := func(key string, fallback int) int {
		n, ok := f.Uint(arch + "." + key)
		if !ok || n > 1<<20 {
			return fallback
		}
		return int(n)
	}
	m := mix.Model{Layers: number("block_count", 0), Experts: number("expert_count", 0)}
	if kv := number("attention.head_count_kv", 0); kv > 0 {
		m.Groups = number("attention.head_count", 0) / kv
	}
	_, ok := f.Tensor("output.weight")
	m.Tied = !ok
	for _, t := range f.Tensors {
		var i int
		if n, _ := fmt.Sscanf(t.Name, "blk.%d.", &i); n == 1 && i < 1<<20 {
			m.Layers = max(m.Layers, i+1)
		}
	}
	return m
}

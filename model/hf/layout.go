package hf

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"umbra/model/gguf"
	"umbra/model/quant/mix"
	"umbra/model/safetensors"
)

// maxLayers bounds what a configuration may say; the deepest models have about 130.
const maxLayers = 1 << 12

// group is the tensors of a folder that become one tensor: one, or one of each expert, or the parts of a packed one.
type group struct {
	named
	name   string // GGUF's, with ".weight" or ".bias"
	fields map[int]map[string]stored
}

// layOut finds out what becomes of each tensor of the folder.
func (m *model) layOut() ([]*tensor, error) {
	groups, err := m.groups()
	if err != nil {
		return nil, err
	}
	m.dropZeroBiases(groups)
	var all []*tensor
	for _, name := range slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(cmp.Compare(groups[a].layer, groups[b].layer), cmp.Compare(a, b))
	}) {
		t, err := m.build(groups[name])
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, *m.config.first
}

// groups sorts the folder's tensors by what they become.
func (m *model) groups() (map[string]*group, error) {
	c, kind := m.config, m.config.text("", "model_type")
	layers := c.whole(0, 1, maxLayers, "num_hidden_layers", "n_layer")
	tied := c.boolean(m.family.tied, "tie_word_embeddings")
	if *c.first != nil {
		return nil, *c.first
	}
	groups := map[string]*group{}
	for _, shard := range m.folder.shards {
		for _, t := range shard.Tensors {
			n, ok := m.family.parseName(t.Name)
			switch {
			case !ok, tied && n.gguf == "output":
				continue
			case n.layer >= layers:
				return nil, fmt.Errorf("hf: tensor %q is of layer %d, but config.json has num_hidden_layers %d", t.Name, n.layer, layers)
			}
			s := storedRows(shard, t)
			if n.module == "mlp.experts.gate_up_proj" && n.field == "" && len(t.Shape) == 3 && n.layer >= 0 { // experts already stacked, gate above up
				if t.Shape[1]%2 != 0 {
					return nil, fmt.Errorf("hf: tensor %q has shape %v, want as many rows of gate as of up", t.Name, t.Shape)
				}
				gate, up := m.splitExperts(n, s)
				groups[gate.name], groups[up.name] = gate, up
				continue
			}
			if n.gguf == "" {
				return nil, fmt.Errorf("hf: tensor %q is not one that model_type %s as umbra knows it has; its results would be wrong without it", t.Name, kind)
			}
			name := n.gguf + ".weight"
			if n.field == "bias" {
				name = n.gguf + ".bias"
			}
			g := groups[name]
			if g == nil {
				g = &group{named: n, name: name, fields: map[int]map[string]stored{}}
				groups[name] = g
			}
			if g.fields[n.expert] == nil {
				g.fields[n.expert] = map[string]stored{}
			}
			if other, ok := g.fields[n.expert][n.field]; ok {
				return nil, fmt.Errorf("hf: tensors %q and %q are both %s", other.Name, t.Name, name)
			}
			g.fields[n.expert][n.field] = s
		}
	}
	return groups, nil
}

// splitExperts makes two groups of a tensor of experts × (gate, up) × columns.
func (m *model) splitExperts(n named, s stored) (gate, up *group) {
	e, half := int(s.Shape[0]), int(s.Shape[1])/2
	prefix := fmt.Sprintf("blk.%d.ffn_", n.layer)
	gate = &group{named: n, name: prefix + "gate_exps.weight", fields: map[int]map[string]stored{}}
	up = &group{named: n, name: prefix + "up_exps.weight", fields: map[int]map[string]stored{}}
	for i := range e {
		for j, g := range []*group{gate, up} {
			p := s.part(i*2*half+j*half, half)
			p.Shape = []uint64{uint64(half), s.Shape[2]}
			g.fields[i] = map[string]stored{"weight": p}
		}
	}
	return gate, up
}

// build makes a group's tensor.
func (m *model) build(g *group) (*tensor, error) {
	if one, ok := g.fields[-1]; ok {
		if len(g.fields) > 1 {
			return nil, fmt.Errorf("hf: tensor %s is there for all experts at once, and one by one", g.name)
		}
		return m.single(g, one)
	}
	n := m.config.whole(0, 1, 1<<16, "num_experts", "num_local_experts")
	if *m.config.first != nil {
		return nil, *m.config.first
	}
	var whole *tensor
	var all stack
	for i := range n {
		fields, ok := g.fields[i]
		if !ok || len(g.fields) != n {
			return nil, fmt.Errorf("hf: tensor %s has %d experts, but config.json %d", g.name, len(g.fields), n)
		}
		t, err := m.single(g, fields)
		if err != nil {
			return nil, err
		}
		if whole == nil {
			whole = t
		} else if t.Type != whole.Type || !slices.Equal(t.Dims, whole.Dims) {
			return nil, fmt.Errorf("hf: tensor %s: expert %d is %v of %v, the first %v of %v", g.name, i, t.Dims, t.Type, whole.Dims, whole.Type)
		}
		all = append(all, piece{t.rows, int(t.Elements() / t.Dims[0])})
	}
	whole.rows = all
	whole.Dims = append(whole.Dims, uint64(n))
	return whole, nil
}

// single makes the tensor of one module.
func (m *model) single(g *group, fields map[string]stored) (*tensor, error) {
	if _, ok := fields["qweight"]; ok {
		t, err := m.packed(g.name, fields)
		if err != nil {
			return nil, err
		}
		return m.inPairs(g, t)
	}
	s, ok := fields["weight"]
	for _, f := range []string{"bias", ""} {
		if !ok {
			s, ok = fields[f]
		}
	}
	if !ok || len(fields) > 1 {
		var names []string
		for _, f := range fields {
			names = append(names, f.Name)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("hf: tensors %s do not go together: want weight, or qweight with qzeros and scales", strings.Join(names, ", "))
	}
	kind, ok := map[safetensors.Type]gguf.Type{safetensors.F32: gguf.F32, safetensors.F16: gguf.F16, safetensors.BF16: gguf.BF16}[s.Type]
	if !ok {
		return nil, fmt.Errorf("hf: tensor %q: type %s is not supported (F32, F16, BF16, or 4 bits of GPTQ or AWQ)", s.Name, s.Type)
	}
	if len(s.Shape) == 0 || len(s.Shape) > 3 || s.Elements() == 0 {
		return nil, fmt.Errorf("hf: tensor %q has shape %v, want 1 to 3 dimensions, none zero", s.Name, s.Shape)
	}
	t := &tensor{Tensor: gguf.Tensor{Name: g.name, Type: kind, Dims: slices.Clone(s.Shape)}, rowBytes: s.rowBytes, rows: s}
	slices.Reverse(t.Dims)
	if strings.HasSuffix(g.name, "ffn_gate_inp_shexp.weight") {
		t.Dims = t.Dims[:1] // of 1 × n
		if len(s.Shape) == 2 && s.Shape[0] != 1 {
			return nil, fmt.Errorf("hf: tensor %q has shape %v, want one row", s.Name, s.Shape)
		}
	}
	if m.family.transposed && g.layer >= 0 && len(t.Dims) == 2 {
		t.rows = transposed{s, int(t.Dims[0]), int(s.Type.Bytes())}
		slices.Reverse(t.Dims)
		t.rowBytes = int(t.Dims[0] * s.Type.Bytes())
	}
	add := float32(0)
	if m.family.gain1 && strings.HasSuffix(g.name, "norm.weight") {
		add = 1
	}
	if mix.Stays(g.name, t.Dims) && kind != gguf.F32 || add != 0 {
		cols := t.rowBytes / int(s.Type.Bytes())
		t.rows, t.rowBytes, t.Type = floats{t.rows, kind, cols, add}, 4*cols, gguf.F32
	}
	return m.inPairs(g, t)
}

// inPairs puts the rows of q and k in pairs, where GGUF has them so.
func (m *model) inPairs(g *group, t *tensor) (*tensor, error) {
	if !m.family.pairs || g.gguf == "" || !strings.HasSuffix(g.gguf, ".attn_q") && !strings.HasSuffix(g.gguf, ".attn_k") {
		return t, nil
	}
	head := m.headDim()
	n := int(t.Elements()) / int(t.Dims[0])
	if len(t.Dims) == 1 {
		n = int(t.Dims[0])
	}
	if *m.config.first != nil {
		return nil, *m.config.first
	}
	if head%2 != 0 || n%head != 0 {
		return nil, fmt.Errorf("hf: tensor %s has %d rows, no whole number of heads of %d, or these are odd", g.name, n, head)
	}
	t.rows = pairs{t.rows, head, t.rowBytes}
	return t, nil
}

// headDim is the size of a head.
func (m *model) headDim() int {
	c := m.config
	if m.arch != "granite" && c.has("head_dim") { // granite's is no part of its model
		return c.whole(0, 1, 1<<16, "head_dim")
	}
	return max(1, c.whole(0, 1, 1<<24, "hidden_size", "n_embd")/max(1, c.whole(0, 1, 1<<16, "num_attention_heads", "n_head")))
}

// dropZeroBiases leaves biases out that packers have added to modules without any, all zero.
func (m *model) dropZeroBiases(groups map[string]*group) {
	if m.family.biased {
		return
	}
	for name, g := range groups {
		w := groups[strings.TrimSuffix(name, ".bias")+".weight"]
		if g.field != "bias" || w == nil {
			continue
		}
		zero := true
		for i, fields := range g.fields {
			_, packed := w.fields[i]["qweight"]
			zero = zero && packed && !bytes.ContainsFunc(fields["bias"].rows(0, fields["bias"].count), func(r rune) bool { return r != 0 })
		}
		if zero {
			delete(groups, name)
		}
	}
}

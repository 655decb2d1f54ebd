package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/shaders"
)

// mixture is what a block of experts makes of a normalised row: softmax over the router's logits, the largest chosen, their weights made to add up to 1
// but for qwen2moe, which has a shared expert instead, times the sigmoid of a gate.
func (r *reference) mixture(n []float64, layer int, w func(string) [][]float64) []float64 {
	r.see(n, layer, "ffn_gate_inp")
	scores := product(w("ffn_gate_inp.weight"), n, nil)
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	highest := slices.Max(scores)
	sum := 0.0
	for i := range scores {
		scores[i] = math.Exp(scores[i] - highest)
		sum += scores[i]
	}
	sort.SliceStable(order, func(i, j int) bool { return scores[order[i]] > scores[order[j]] })
	order = order[:r.used]
	if r.arch != "qwen2moe" {
		sum = 0
		for _, e := range order {
			sum += scores[e]
		}
	}
	of := func(kind string, e int) (matrix [][]float64, name string) {
		name = fmt.Sprintf("%s.%d", kind, e)
		if one := w(name + ".weight"); one != nil {
			return one, name
		}
		all := w(kind + "_exps.weight")
		rows := len(all) / len(scores)
		return all[e*rows:][:rows], fmt.Sprintf("%s_exps.%d", kind, e)
	}
	y := make([]float64, r.embed)
	for _, e := range order {
		gate, gateName := of("ffn_gate", e)
		up, upName := of("ffn_up", e)
		down, downName := of("ffn_down", e)
		r.see(n, layer, gateName, upName)
		h := gated(gate, up, n)
		r.see(h, layer, downName)
		for i, v := range product(down, h, nil) {
			y[i] += scores[e] / sum * v
		}
	}
	if gate := w("ffn_gate_inp_shexp.weight"); gate != nil {
		by := 1 / (1 + math.Exp(-dot(gate[0], n)))
		r.see(n, layer, "ffn_gate_inp_shexp", "ffn_gate_shexp", "ffn_up_shexp")
		h := gated(w("ffn_gate_shexp.weight"), w("ffn_up_shexp.weight"), n)
		r.see(h, layer, "ffn_down_shexp")
		for i, v := range product(w("ffn_down_shexp.weight"), h, nil) {
			y[i] += by * v
		}
	}
	return y
}

// gated is silu(gate·n)·up·n.
func gated(gate, up [][]float64, n []float64) []float64 {
	h := product(up, n, nil)
	for j, g := range product(gate, n, nil) {
		h[j] *= g / (1 + math.Exp(-g))
	}
	return h
}

// TestExperts: experts in quantised types, with gates and ups that differ in type, in parts, with a tensor for each as older files have them, on
// narrow kernels and, with UMBRA_SOAK=1, on wide ones.
func TestExperts(t *testing.T) {
	for _, c := range []struct {
		name, base string
		change     func(x *contents)
		limit      uint64 // of bindings
		parts      []int  // of gates and ups, and of downs
	}{
		{"quantised", "mixtral", func(x *contents) { x.retypeAll("_exps", gguf.Q8_0) }, 0, []int{1, 1}},
		{"gates and ups differ", "qwen2moe", func(x *contents) {
			x.retypeAll("gate_exps", gguf.Q4_0)
			x.retypeAll("up_exps", gguf.Q8_0)
			x.retypeAll("up_shexp", gguf.F16)
		}, 0, []int{1, 1}},
		{"in parts", "mixtral", func(*contents) {}, 160 << 10, []int{3, 2}},
		{"a tensor each", "mixtral", (*contents).split, 0, []int{1, 1}},
	} {
		if c.name != "gates and ups differ" && !soak {
			continue // it is the one with most kinds of kernels
		}
		x := contentsOf(t, open(t, "oracle/arch/"+c.base+".gguf"))
		c.change(x)
		f := x.file()
		ids := randomIDs(rand.New(rand.NewPCG(7, 7)), 40, 256)
		want := newReference(t, f).logits(ids, everywhere)
		for _, narrow := range []bool{true, false} {
			if !narrow && !soak {
				continue
			}
			t.Run(fmt.Sprintf("%s narrow=%v", c.name, narrow), func(t *testing.T) {
				d := gputest.Device(t)
				limits := d.Limits()
				if c.limit > 0 {
					limits.StorageBindingSize, limits.BufferSize = c.limit, c.limit
				}
				m, err := model.NewWithin(d, limits, shaders.Tuning{Narrow: narrow}, f, model.Options{Sequences: 1, BatchTokens: 40, Outputs: 40, Blocks: 4, Context: 64})
				require.NoError(t, err)
				defer m.Release()
				assert.Equal(t, c.parts, model.ExpertParts(m))
				for _, chunk := range []int{40, 3, 1} {
					matches(t, logits(t, m, ids, chunk), want, 5e-5)
				}
			})
		}
	}
}

// TestExpertCosts: a token reads those experts that it chooses, and all of them are in memory.
func TestExpertCosts(t *testing.T) {
	for _, name := range []string{"mixtral", "qwen2moe", "qwen3moe"} { // 2 of 8
		f := open(t, "oracle/arch/"+name+".gguf")
		p, err := model.PlanFor(f, model.Options{}, gpu.Limits{BufferSize: 1 << 30, StorageBindingSize: 1 << 30})
		require.NoError(t, err)
		costs, size := p.Costs(), uint64(0)
		for _, x := range f.Tensors {
			size += x.Size
			if len(x.Dims) == 3 {
				assert.Equal(t, model.Cost{Bytes: x.Size / 4, FLOP: x.Elements() / 2}, costs[x.Name], x.Name)
			}
		}
		assert.GreaterOrEqual(t, p.Weights, size)
	}
	s, err := model.ShapeOf("qwen3moe-30b-a3b")
	require.NoError(t, err)
	p, err := model.PlanFor(model.Synthetic(s, gguf.Q4_0), model.Options{}, gpu.Limits{BufferSize: 1 << 40, StorageBindingSize: 2 << 30})
	require.NoError(t, err)
	var token model.Cost
	for _, c := range p.Costs() {
		token = model.Cost{Bytes: token.Bytes + c.Bytes, FLOP: token.FLOP + c.FLOP}
	}
	assert.InDelta(t, 17.2e9, float64(p.Weights), 0.2e9)   // 30.5e9 weights
	assert.InDelta(t, 1.76e9, float64(token.Bytes), 0.1e9) // 3.0e9 of them
}

// retypeAll stores all tensors whose names contain a part in another type.
func (c *contents) retypeAll(part string, kind gguf.Type) {
	for _, x := range slices.Clone(c.tensors) {
		if strings.Contains(x.name, part) {
			c.retype(x.name, kind)
		}
	}
}

// split makes a tensor of each expert.
func (c *contents) split() {
	var all []tensor
	for _, x := range c.tensors {
		if len(x.dims) != 3 {
			all = append(all, x)
			continue
		}
		layer, kind := 0, ""
		fmt.Sscanf(x.name, "blk.%d.", &layer)
		for _, k := range []string{"ffn_gate", "ffn_up", "ffn_down"} {
			if strings.Contains(x.name, k+"_exps") {
				kind = k
			}
		}
		size := len(x.data) / int(x.dims[2])
		for e := range int(x.dims[2]) {
			all = append(all, tensor{fmt.Sprintf("blk.%d.%s.%d.weight", layer, kind, e), x.kind, x.dims[:2], x.data[e*size:][:size]})
		}
	}
	c.tensors = all
}

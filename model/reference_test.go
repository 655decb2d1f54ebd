package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/quant"
)

// reference is the forward pass of a file as its papers have it: all of a sequence at once, no pages,
// no fusion, everything in float64. It takes shapes and names from the file, not from package model. Architectures are llama, qwen2 and those
// with GELU.
type reference struct {
	arch                                   string
	embed, heads, kvHeads, headDim, layers int

	eps       float64
	layerNorm bool
	frequency []float64 // radians per position of each rotated pair
	local     []float64 // those of layers with a window
	halfSplit bool      // pair i is elements i and i + len(frequency), not 2i and 2i+1
	window    int       // tokens that a row sees in all but every period-th layer; 0: all
	period    int
	embedBy   float64 // embeddings are multiplied by it
	used      int     // experts of a token
	scoreCap  float64 // soft caps; 0: none
	logitCap  float64
	gelu      func(v float64) float64
	tensors   map[string][][]float64
	stored    func(head []float64, key bool) // what storing a token's key or value of one head makes of it; nil for nothing

	seen   func(tensor string, x []float64) // is told of each matrix's inputs, one at a time; nil for nobody
	seeing sync.Mutex
}

func newReference(t testing.TB, f *gguf.File) *reference {
	t.Helper()
	arch, _ := f.String("general.architecture")
	number := func(key string, missing float64) float64 {
		v, ok := f.Float(arch + "." + key)
		if !ok {
			require.False(t, math.IsNaN(missing), "%s is missing", key)
			return missing
		}
		return v
	}
	must := math.NaN()
	r := &reference{arch: arch, halfSplit: arch != "llama", embedBy: 1, gelu: gelu, tensors: map[string][][]float64{}}
	r.embed, r.layers = int(number("embedding_length", must)), int(number("block_count", must))
	r.heads = int(number("attention.head_count", must))
	r.kvHeads = int(number("attention.head_count_kv", float64(r.heads)))
	r.headDim = int(number("attention.key_length", float64(r.embed/r.heads)))
	r.eps = number("attention.layer_norm_rms_epsilon", number("attention.layer_norm_epsilon", 0))
	_, r.layerNorm = f.Float(arch + ".attention.layer_norm_epsilon")
	r.window = int(number("attention.sliding_window", 0))
	r.used = int(number("expert_used_count", 0))
	r.period = map[string]int{"gemma2": 2, "gemma3": 6}[arch]
	r.scoreCap, r.logitCap = number("attn_logit_softcapping", 0), number("final_logit_softcapping", 0)
	if r.gemma() {
		r.embedBy = math.Sqrt(float64(r.embed))
	}
	for _, info := range f.Tensors {
		values := make([]float32, info.Elements())
		require.NoError(t, quant.Dequantize(info.Type, f.Data(info), values))
		var rows [][]float64
		cols := int(info.Dims[0])
		for i := 0; i < len(values); i += cols {
			row := make([]float64, cols)
			for j := range row {
				row[j] = float64(values[i+j])
			}
			rows = append(rows, row)
		}
		r.tensors[info.Name] = rows
	}
	rotated := number("rope.dimension_count", float64(r.headDim))
	if arch == "gpt2" {
		rotated = 0
	}
	base, scale := number("rope.freq_base", 10000), 1.0
	if kind, _ := f.String(arch + ".rope.scaling.type"); kind == "linear" {
		scale = number("rope.scaling.factor", must)
	}
	for i := 0.0; i < rotated/2; i++ {
		w := math.Pow(base, -2*i/rotated) / scale
		if factors := r.tensors["rope_freqs.weight"]; factors != nil {
			w /= factors[0][int(i)]
		}
		r.frequency = append(r.frequency, w)
		if arch == "gemma3" {
			w = math.Pow(number("rope.freq_base_swa", 10000), -2*i/rotated)
		}
		r.local = append(r.local, w)
	}
	return r
}

func (r *reference) gemma() bool { return strings.HasPrefix(r.arch, "gemma") }

// gelu is GELU by the tanh approximation.
func gelu(v float64) float64 {
	return v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
}

// tabledGELU is gelu of the f16 number next to v, as an f16 number: llama.cpp's.
func tabledGELU(v float64) float64 {
	half := func(v float64) float64 { return float64(float16.Fromfloat32(float32(v)).Float32()) }
	switch {
	case v <= -10:
		return 0
	case v >= 10:
		return v
	}
	return half(gelu(half(v)))
}

// hidden returns what the output matrix takes after each token.
func (r *reference) hidden(ids []int32) [][]float64 {
	x := make([][]float64, len(ids))
	for p, id := range ids {
		x[p] = append([]float64(nil), r.tensors["token_embd.weight"][id]...)
		for i := range x[p] {
			x[p][i] *= r.embedBy
		}
		if positions := r.tensors["position_embd.weight"]; positions != nil {
			add(x[p], positions[p])
		}
	}
	for i := range r.layers {
		w := func(name string) [][]float64 {
			return r.tensors[fmt.Sprintf("blk.%d.%s", i, name)]
		}
		after := func(v []float64, name string) []float64 {
			if !r.gemma() || w(name) == nil {
				return v
			}
			return r.norm(v, w(name), nil)
		}
		angles, window := r.frequency, 0
		if r.window > 0 && i%r.period < r.period-1 {
			angles, window = r.local, r.window
		}
		q, k, v, normed := make([][]float64, len(x)), make([][]float64, len(x)), make([][]float64, len(x)), make([][]float64, len(x))
		each(len(x), func(p int) {
			n := r.norm(x[p], w("attn_norm.weight"), w("attn_norm.bias"))
			normed[p] = n
			r.see(n, i, "attn_q", "attn_k", "attn_v")
			if qkv := w("attn_qkv.weight"); qkv != nil {
				all := product(qkv, n, w("attn_qkv.bias"))
				at := r.heads * r.headDim
				to := at + r.kvHeads*r.headDim
				q[p], k[p], v[p] = all[:at:at], all[at:to:to], all[to:]
			} else {
				q[p], k[p] = product(w("attn_q.weight"), n, w("attn_q.bias")), product(w("attn_k.weight"), n, w("attn_k.bias"))
				v[p] = product(w("attn_v.weight"), n, w("attn_v.bias"))
			}
			q[p], k[p] = r.rotate(r.normHeads(q[p], w("attn_q_norm.weight")), p, angles), r.rotate(r.normHeads(k[p], w("attn_k_norm.weight")), p, angles)
			for h := 0; r.stored != nil && h < len(v[p]); h += r.headDim {
				r.stored(k[p][h:][:r.headDim], true)
				r.stored(v[p][h:][:r.headDim], false)
			}
		})
		each(len(x), func(p int) {
			first := 0
			if window > 0 {
				first = max(0, p+1-window)
			}
			attended := r.attend(q[p], k[first:p+1], v[first:p+1])
			add(x[p], after(product(w("attn_output.weight"), attended, w("attn_output.bias")), "post_attention_norm.weight"))
			n := normed[p]
			if r.arch != "phi2" {
				n = r.norm(x[p], w("ffn_norm.weight"), w("ffn_norm.bias"))
			}
			r.see(attended, i, "attn_output")
			if w("ffn_gate_inp.weight") != nil {
				add(x[p], r.mixture(n, i, w))
				return
			}
			r.see(n, i, "ffn_gate", "ffn_up")
			up := product(w("ffn_up.weight"), n, w("ffn_up.bias"))
			if w("ffn_gate.weight") == nil {
				for j := range up {
					up[j] = r.gelu(up[j])
				}
			} else {
				for j, g := range product(w("ffn_gate.weight"), n, nil) {
					if r.gemma() {
						up[j] *= r.gelu(g)
					} else {
						up[j] *= g / (1 + math.Exp(-g))
					}
				}
			}
			r.see(up, i, "ffn_down")
			add(x[p], after(product(w("ffn_down.weight"), up, w("ffn_down.bias")), "post_ffw_norm.weight"))
		})
	}
	each(len(ids), func(p int) { x[p] = r.norm(x[p], r.tensors["output_norm.weight"], r.tensors["output_norm.bias"]) })
	return x
}

// normHeads normalises each head of x where there is a gain.
func (r *reference) normHeads(x []float64, gain [][]float64) []float64 {
	if gain == nil {
		return x
	}
	var all []float64
	for h := 0; h < len(x); h += r.headDim {
		all = append(all, r.norm(x[h:][:r.headDim], gain, nil)...)
	}
	return all
}

// capped is a soft cap of v.
func capped(v, limit float64) float64 {
	if limit == 0 {
		return v
	}
	return limit * math.Tanh(v/limit)
}

// logits returns the logits after each token that want names, nil for the others.
func (r *reference) logits(ids []int32, want func(position int) bool) [][]float64 {
	x := r.hidden(ids)
	head := "output"
	if r.tensors["output.weight"] == nil {
		head = "token_embd"
	}
	all := make([][]float64, len(ids))
	each(len(ids), func(p int) {
		if want(p) {
			r.see(x[p], -1, head)
			all[p] = product(r.tensors[head+".weight"], x[p], r.tensors["output.bias"])
			for i := range all[p] {
				all[p][i] = capped(all[p][i], r.logitCap)
			}
		}
	})
	return all
}

// see tells who wants to know that x is the input of some of a layer's matrices, or of the model's where layer is -1.
func (r *reference) see(x []float64, layer int, matrices ...string) {
	if r.seen == nil {
		return
	}
	r.seeing.Lock()
	defer r.seeing.Unlock()
	for _, m := range matrices {
		if layer >= 0 {
			m = fmt.Sprintf("blk.%d.%s", layer, m)
		}
		r.seen(m+".weight", x)
	}
}

// each runs f for 0..n-1, every other one in a second goroutine.
func each(n int, f func(i int)) {
	var g sync.WaitGroup
	g.Go(func() {
		for i := 1; i < n; i += 2 {
			f(i)
		}
	})
	for i := 0; i < n; i += 2 {
		f(i)
	}
	g.Wait()
}

func (r *reference) norm(x []float64, gain, bias [][]float64) []float64 {
	mean, square := 0.0, 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if !r.layerNorm {
		mean = 0
	}
	for _, v := range x {
		square += (v - mean) * (v - mean)
	}
	scale := 1 / math.Sqrt(square/float64(len(x))+r.eps)
	y := make([]float64, len(x))
	for i := range x {
		y[i] = (x[i] - mean) * scale * gain[0][i]
	}
	if bias != nil {
		add(y, bias[0])
	}
	return y
}

// rotate turns every head of x by the angles of a position.
func (r *reference) rotate(x []float64, position int, angles []float64) []float64 {
	for head := 0; head < len(x); head += r.headDim {
		for i, w := range angles {
			a, b := head+2*i, head+2*i+1
			if r.halfSplit {
				a, b = head+i, head+i+len(angles)
			}
			sin, cos := math.Sincos(float64(position) * w)
			x[a], x[b] = x[a]*cos-x[b]*sin, x[a]*sin+x[b]*cos
		}
	}
	return x
}

// attend is softmax(q·Kᵀ/√headDim)·V for one token, head by head.
func (r *reference) attend(q []float64, keys, values [][]float64) []float64 {
	y := make([]float64, len(q))
	for h := range r.heads {
		from := h / (r.heads / r.kvHeads) * r.headDim
		scores, highest, sum := make([]float64, len(keys)), math.Inf(-1), 0.0
		for i, k := range keys {
			scores[i] = capped(dot(q[h*r.headDim:][:r.headDim], k[from:][:r.headDim])/math.Sqrt(float64(r.headDim)), r.scoreCap)
			highest = max(highest, scores[i])
		}
		for i := range scores {
			scores[i] = math.Exp(scores[i] - highest)
			sum += scores[i]
		}
		for i, v := range values {
			for j := range r.headDim {
				y[h*r.headDim+j] += scores[i] / sum * v[from+j]
			}
		}
	}
	return y
}

// product is w·x + bias; bias may be nil.
func product(w [][]float64, x []float64, bias [][]float64) []float64 {
	y := make([]float64, len(w))
	for i := range w {
		y[i] = dot(w[i], x)
	}
	if bias != nil {
		add(y, bias[0])
	}
	return y
}

func add(y, x []float64) {
	for i := range y {
		y[i] += x[i]
	}
}

// dot keeps four sums, so that the processor need not wait for each addition.
func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

func everywhere(int) bool { return true }

// furthest is the largest difference between two rows of logits; a NaN in either is infinitely far.
func furthest(got []float32, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	worst := 0.0
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		if d != d {
			return math.Inf(1)
		}
		worst = max(worst, d)
	}
	return worst
}

// matches requires logits at every position to be within tolerance of the reference's, nil there for any.
func matches(t *testing.T, got [][]float32, want [][]float64, tolerance float64) {
	t.Helper()
	require.Len(t, got, len(want))
	worst, at := 0.0, 0
	for p := range want {
		if want[p] == nil {
			continue
		}
		if d := furthest(got[p], want[p]); d > worst {
			worst, at = d, p
		}
	}
	t.Logf("largest difference %.2g, at position %d", worst, at)
	assert.LessOrEqual(t, worst, tolerance, "position %d", at)
}

// TestReference holds the reference itself to llama.cpp's logits, so that it can stand in for them where there are none.
// The tolerance is five units of the oracle's last digit, which its own float32 sums reach.
func TestReference(t *testing.T) {
	single := func(rows [][]float64) (out [][]float32) {
		for _, row := range rows {
			r := make([]float32, len(row))
			for i, v := range row {
				r[i] = float32(v)
			}
			out = append(out, r)
		}
		return out
	}
	var all []oracle
	readJSON(t, "gopher-logits.json", &all)
	require.NotEmpty(t, all)
	references := map[string]*reference{
		"gopher-28m":      newReference(t, open(t, "gopher-28m-q8_0.gguf")),
		"gopher-draft-4m": newReference(t, open(t, "gopher-draft-4m-q8_0.gguf")),
	}
	for _, o := range all {
		o.check(t, single(references[o.Model].logits(o.IDs, everywhere)), 5e-5)
	}
	for _, name := range append(slices.Clone(tinyNames), geluModels...) {
		t.Run(name, func(t *testing.T) {
			r := newReference(t, open(t, "oracle/arch/"+name+".gguf"))
			r.gelu = tabledGELU
			var all []oracle
			readJSON(t, "arch/"+name+".json", &all)
			require.NotEmpty(t, all)
			tolerance := 5e-5
			if slices.Contains(geluModels, name) {
				tolerance = 1e-3 // a sum of another order may end at another f16 number
			}
			for _, o := range all {
				o.check(t, single(r.logits(o.IDs, everywhere)), tolerance)
			}
		})
	}
}

// tinyNames are those of testdata/oracle/arch with SiLU that the reference computes.
var tinyNames = []string{"llama-linear-rope", "llama-mha-tied", "llama3-scaled", "qwen2", "mixtral", "qwen2moe", "qwen3moe"}

// TestExactGELU compares models with GELU with the reference, whose GELU is exact: what separates them from llama.cpp's logits is its table.
func TestExactGELU(t *testing.T) {
	names := []string{"phi2"}
	if soak {
		names = geluModels
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			f := open(t, "oracle/arch/"+name+".gguf")
			ids := randomIDs(rand.New(rand.NewPCG(5, 7)), 60, 256)
			m := load(t, f, model.Options{Sequences: 1, BatchTokens: 60, Outputs: 60, Blocks: 4, Context: 64})
			matches(t, logits(t, m, ids, 60), newReference(t, f).logits(ids, everywhere), 5e-5)
		})
	}
}

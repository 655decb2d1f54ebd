package quantize

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/imatrix"
	"umbra/model/quant"
	"umbra/model/quant/mix"
)

func named(t testing.TB, name string) mix.Mix {
	m, err := mix.Named(name)
	require.NoError(t, err)
	return m
}

// f32 are random values as an F32 tensor's bytes.
func f32(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(r.NormFloat64()*0.02)))
	}
	return b
}

// parsed is a file of what a writer has.
func parsed(t testing.TB, w *gguf.Writer) *gguf.File {
	path := filepath.Join(t.TempDir(), "in.gguf")
	require.NoError(t, w.Save(path))
	f, err := gguf.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// small is a model of 2 layers, 4 query heads to a key head, with tensors of all kinds. change may alter it.
func small(t testing.TB, change func(*gguf.Writer)) *gguf.File {
	w := gguf.NewWriter()
	w.Set("general.architecture", "llama")
	w.Set("general.file_type", uint32(0))
	w.Set("general.alignment", uint32(64))
	w.Set("llama.block_count", uint32(2))
	w.Set("llama.attention.head_count", uint32(8))
	w.Set("llama.attention.head_count_kv", uint32(2))
	w.Set("tokenizer.ggml.tokens", []string{"a", "b"})
	add := func(name string, dims ...uint64) {
		n := uint64(1)
		for _, d := range dims {
			n *= d
		}
		w.Add(name, gguf.F32, dims, f32(n, int(n)))
	}
	add("token_embd.weight", 256, 40)
	add("output.weight", 256, 40)
	add("output_norm.weight", 256)
	for i := range 2 {
		add(fmt.Sprintf("blk.%d.attn_norm.weight", i), 256)
		add(fmt.Sprintf("blk.%d.attn_q.weight", i), 256, 64)
		add(fmt.Sprintf("blk.%d.attn_v.weight", i), 256, 16)
		add(fmt.Sprintf("blk.%d.ffn_down.weight", i), 96, 256)
		add(fmt.Sprintf("blk.%d.ffn_up_exps.weight", i), 256, 8, 3)
	}
	w.Add("blk.0.table.weight", gguf.I32, []uint64{2, 2}, make([]byte, 16))
	if change != nil {
		change(w)
	}
	return parsed(t, w)
}

// values reads a tensor.
func values(t testing.TB, f *gguf.File, name string) []float32 {
	x, ok := f.Tensor(name)
	require.True(t, ok, name)
	v := make([]float32, x.Elements())
	require.NoError(t, quant.Dequantize(x.Type, f.Data(x), v))
	return v
}

// made quantises to a new file and opens it.
func made(t testing.TB, f *gguf.File, o Options) (*gguf.File, Plan) {
	path := filepath.Join(t.TempDir(), "out.gguf")
	p, err := File(context.Background(), f, path, o)
	require.NoError(t, err)
	out, err := gguf.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { out.Close() })
	return out, p
}

func TestFile(t *testing.T) {
	in := small(t, nil)
	var done, total int64
	out, plan := made(t, in, Options{Mix: named(t, "q4_k_m"), Progress: func(d, n int64) {
		assert.Greater(t, d, done)
		done, total = d, n
	}})
	assert.Equal(t, total, done)
	assert.EqualValues(t, plan.Bytes(), total)
	assert.Empty(t, plan.Warnings)

	assert.Equal(t, append(in.Keys(), "general.quantization_version"), out.Keys())
	n, _ := out.Uint("general.file_type")
	assert.EqualValues(t, 15, n)
	n, _ = out.Uint("general.quantization_version")
	assert.EqualValues(t, 2, n)
	assert.EqualValues(t, 64, out.Alignment)

	want := map[string]gguf.Type{
		"token_embd.weight": gguf.Q4_K, "output.weight": gguf.Q6_K, "output_norm.weight": gguf.F32, "blk.0.attn_norm.weight": gguf.F32,
		"blk.0.attn_q.weight": gguf.Q4_K, "blk.0.attn_v.weight": gguf.Q4_K, "blk.1.attn_v.weight": gguf.Q6_K,
		"blk.0.ffn_down.weight": gguf.Q5_0, "blk.1.ffn_down.weight": gguf.Q8_0, "blk.1.ffn_up_exps.weight": gguf.Q4_K, "blk.0.table.weight": gguf.I32,
	}
	require.Len(t, out.Tensors, len(in.Tensors))
	for i, x := range out.Tensors {
		assert.Equal(t, in.Tensors[i].Name, x.Name)
		assert.Equal(t, in.Tensors[i].Dims, x.Dims)
		if kind, ok := want[x.Name]; ok {
			assert.Equal(t, kind, x.Type, x.Name)
		}
		if x.Type == in.Tensors[i].Type {
			assert.Equal(t, in.Data(in.Tensors[i]), out.Data(x), x.Name)
			continue
		}
		raw := make([]byte, x.Size)
		require.NoError(t, quant.Quantize(x.Type, values(t, in, x.Name), raw))
		assert.Equal(t, raw, out.Data(x), x.Name)
	}
	assert.InDelta(t, 8*float64(plan.Bytes())/float64(elements(in)), plan.BitsPerWeight(), 1e-9)
}

func elements(f *gguf.File) (n uint64) {
	for _, x := range f.Tensors {
		n += x.Elements()
	}
	return n
}

// A model without an output of its own has the embeddings in the output's type.
func TestTied(t *testing.T) {
	w := gguf.NewWriter()
	w.Set("general.architecture", "llama")
	w.Add("token_embd.weight", gguf.F32, []uint64{256, 2}, f32(1, 512))
	p, err := PlanFor(parsed(t, w), Options{Mix: named(t, "q4_k_m")})
	require.NoError(t, err)
	assert.Equal(t, gguf.Q6_K, p.Tensors[0].To)
}

// Tensors larger than a piece, in any number of pieces, are what they are whole.
func TestPieces(t *testing.T) {
	const cols, rows = 1 << 13, 1200 // 2.3 pieces
	w := gguf.NewWriter()
	w.Set("general.architecture", "llama")
	w.Add("blk.0.attn_q.weight", gguf.F32, []uint64{cols, rows}, f32(5, cols*rows))
	in := parsed(t, w)
	out, _ := made(t, in, Options{Mix: named(t, "bf16")})
	raw := make([]byte, 2*cols*rows)
	require.NoError(t, quant.Quantize(gguf.BF16, values(t, in, "blk.0.attn_q.weight"), raw))
	x, _ := out.Tensor("blk.0.attn_q.weight")
	assert.True(t, string(raw) == string(out.Data(x)))
}

func TestOverridesAndImportance(t *testing.T) {
	o, err := mix.ParseOverride("attn_q=q8_0")
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(2, 2))
	sums := func(n int) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = r.Float32() * r.Float32()
		}
		return s
	}
	m := &imatrix.Matrix{Datasets: []string{"a.txt"}, Chunks: 9, Entries: map[string]*imatrix.Entry{
		"blk.0.attn_v.weight":      {Cols: 256, Sums: sums(256), Counts: []float32{10}},
		"blk.0.ffn_up_exps.weight": {Cols: 256, Sums: sums(768), Counts: []float32{10, 0, 5}},
	}}
	in := small(t, nil)
	var warned []string
	out, _ := made(t, in, Options{Mix: named(t, "q4_k_s"), Overrides: []mix.Override{o}, Importance: m, ImportanceName: "m.gguf",
		Warn: func(s string) { warned = append(warned, s) }})
	q, _ := out.Tensor("blk.1.attn_q.weight")
	assert.Equal(t, gguf.Q8_0, q.Type)
	require.Len(t, warned, 2)
	assert.Equal(t, "the importance matrix has counted no token for experts of blk.0.ffn_up_exps.weight (1 of 3); these are quantised without", warned[1])
	assert.Equal(t, "the importance matrix has no entry for token_embd.weight, output.weight, blk.0.attn_q.weight and 5 more; they are quantised without", warned[0])
	name, _ := out.String("quantize.imatrix.file")
	assert.Equal(t, "m.gguf", name)
	name, _ = out.String("quantize.imatrix.dataset")
	assert.Equal(t, "a.txt", name)

	// Each matrix of a tensor has weights of its own; one that no token reached has none.
	for _, tensor := range []string{"blk.0.attn_v.weight", "blk.0.ffn_up_exps.weight"} {
		x, _ := out.Tensor(tensor)
		v, e := values(t, in, tensor), m.Entries[tensor]
		n, got := len(v)/len(e.Counts), out.Data(x)
		for i := range e.Counts {
			raw := make([]byte, len(got)/len(e.Counts))
			require.NoError(t, quant.QuantizeRows(x.Type, v[i*n:][:n], 256, e.Weights(i), 1, raw))
			assert.Equal(t, raw, got[i*len(raw):][:len(raw)], "%s %d", tensor, i)
		}
	}

	m.Entries["blk.0.attn_v.weight"].Cols = 128
	_, err = PlanFor(in, Options{Mix: named(t, "q4_k_s"), Importance: m})
	assert.ErrorContains(t, err, `tensor "blk.0.attn_v.weight" has 256 columns in 1 matrices, the importance matrix's entry 128 in 1`)
	_, err = PlanFor(in, Options{Mix: named(t, "q4_k_s"), Importance: &imatrix.Matrix{Entries: map[string]*imatrix.Entry{"other": {}}}})
	assert.ErrorContains(t, err, "none of the importance matrix's 1 entries is one of this model's tensors")
}

// What is quantised already may be quantised again, with a warning; what has its type already is left as it is.
func TestAgain(t *testing.T) {
	in := small(t, nil)
	once, _ := made(t, in, Options{Mix: named(t, "q8_0")})
	var warned []string
	twice, _ := made(t, once, Options{Mix: named(t, "q4_0"), Warn: func(s string) { warned = append(warned, s) }})
	require.Len(t, warned, 1)
	assert.Equal(t, "10 tensors are quantised already (Q8_0): what that lost stays lost; better quantise from F32, F16 or BF16 if you can", warned[0])
	x, _ := twice.Tensor("blk.0.attn_q.weight")
	assert.Equal(t, gguf.Q4_0, x.Type)

	warned = nil
	same, p := made(t, once, Options{Mix: named(t, "q8_0"), Warn: func(s string) { warned = append(warned, s) }})
	assert.Empty(t, warned)
	assert.Empty(t, p.Warnings)
	for i, x := range same.Tensors {
		assert.Equal(t, once.Data(once.Tensors[i]), same.Data(x))
	}
}

// An error, or an end from outside, leaves what was at the path, and nothing else.
func TestNoHalfFile(t *testing.T) {
	bad := small(t, func(w *gguf.Writer) {
		data := f32(3, 512)
		binary.LittleEndian.PutUint32(data[4*300:], math.Float32bits(float32(math.NaN())))
		w.Add("blk.1.attn_k.weight", gguf.F32, []uint64{256, 2}, data)
	})
	large := small(t, func(w *gguf.Writer) {
		data := f32(3, 512)
		binary.LittleEndian.PutUint32(data[4*511:], math.Float32bits(-7e4))
		w.Add("blk.1.attn_k.weight", gguf.F32, []uint64{256, 2}, data)
	})
	canceled, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	for _, c := range []struct {
		name string
		ctx  context.Context
		f    *gguf.File
		mix  string
		want string
	}{
		{"NaN", context.Background(), bad, "q4_k_m", `tensor "blk.1.attn_k.weight": row 1, column 44 is NaN, which Q4_K cannot hold; keep this tensor in F32 or BF16`},
		{"too large for F16", context.Background(), large, "f16", `tensor "blk.1.attn_k.weight": row 1, column 255 is -70000, which F16 cannot hold`},
		{"canceled", canceled, small(t, nil), "q8_0", "enough"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "m.gguf")
		require.NoError(t, os.WriteFile(path, []byte("before"), 0o644))
		_, err := File(c.ctx, c.f, path, Options{Mix: named(t, c.mix)})
		assert.ErrorContains(t, err, c.want, c.name)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "before", string(data))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, entries, 1, c.name)
	}
	_, err := File(context.Background(), small(t, nil), filepath.Join(t.TempDir(), "none", "m.gguf"), Options{Mix: named(t, "q8_0")})
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestRefuses(t *testing.T) {
	w := gguf.NewWriter()
	w.Set("general.type", "imatrix")
	_, err := PlanFor(parsed(t, w), Options{Mix: named(t, "q8_0")})
	assert.ErrorContains(t, err, "is an importance matrix, not a model")
	o, err := mix.ParseOverride("ffn_down=q4_k")
	require.NoError(t, err)
	_, err = PlanFor(small(t, nil), Options{Mix: named(t, "q8_0"), Overrides: []mix.Override{o}})
	assert.ErrorContains(t, err, "no whole blocks of 256")
}

// Every mix makes a file that can be read whole, with values close to the original's.
func TestEveryMix(t *testing.T) {
	in := small(t, nil)
	for _, name := range mix.Names() {
		out, _ := made(t, in, Options{Mix: named(t, name)})
		for _, x := range out.Tensors {
			if !strings.HasSuffix(x.Name, "attn_q.weight") {
				continue
			}
			var diff, norm float64
			want := values(t, in, x.Name)
			for i, v := range values(t, out, x.Name) {
				diff += math.Pow(float64(v-want[i]), 2)
				norm += math.Pow(float64(want[i]), 2)
			}
			assert.Less(t, math.Sqrt(diff/norm), 0.5, "%s %v", name, x.Type)
		}
	}
}

package model_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/tokenizer"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// TestPerplexity runs 64 tokens, with UMBRA_SOAK=1 512, of Go source (this package's block.go) through gopher with each type of KV. The perplexity
// may differ from f32's by 1 %.
func TestPerplexity(t *testing.T) {
	f := open(t, "gopher-28m-q8_0.gguf")
	tokens, err := tokenizer.New(f)
	require.NoError(t, err)
	text, err := os.ReadFile("testdata/block.go.txt")
	require.NoError(t, err)
	ids := tokens.Encode(string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))), tokenizer.EncodeOptions{})
	require.Greater(t, len(ids), 513)
	n := 64
	if soak {
		n = 512
	}
	perplexity := map[model.KVType]float64{}
	for _, kv := range []model.KVType{model.F32, model.F16, model.I8} {
		m := load(t, f, model.Options{Sequences: 1, BatchTokens: 64, Outputs: 64, Blocks: 33, Context: 528, KVType: kv})
		loss := 0.0
		for p, row := range logits(t, m, ids[:n], 64) {
			loss += (lse(row) - float64(row[ids[p+1]])) / float64(n)
		}
		m.Release()
		perplexity[kv] = math.Exp(loss)
		t.Logf("KV %v: negative log-likelihood %.5f, perplexity %.4f", kv, loss, perplexity[kv])
	}
	assert.InEpsilon(t, perplexity[model.F32], perplexity[model.F16], 1e-3)
	assert.InEpsilon(t, perplexity[model.F32], perplexity[model.I8], 1e-2)
}

// TestInt8Reference compares tiny models with int8 KV with a reference that stores keys and values so too: what is left
// is the rounding of sums, and elements at a tie that became the other neighbour.
func TestInt8Reference(t *testing.T) {
	names := []string{"qwen2", "llama3-scaled"}
	if soak {
		names = append(names, "qwen2moe", "mixtral", "qwen3moe")
	}
	for _, name := range names {
		f := open(t, "oracle/arch/"+name+".gguf")
		ids := randomIDs(rand.New(rand.NewPCG(6, 1)), 60, 256)
		r := newReference(t, f)
		r.stored = func(head []float64, _ bool) { storeInt8(head) }
		want := r.logits(ids, everywhere)
		for _, narrow := range []bool{true, false} {
			if !narrow && !soak {
				continue
			}
			t.Run(fmt.Sprintf("%s narrow=%v", name, narrow), func(t *testing.T) {
				m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: narrow}, f,
					model.Options{Sequences: 1, BatchTokens: 20, Outputs: 20, Blocks: 4, Context: 64, KVType: model.I8})
				require.NoError(t, err)
				defer m.Release()
				matches(t, logits(t, m, ids, 20), want, 2e-3)
				matches(t, logits(t, m, ids, 3), want, 2e-3)
			})
		}
	}
}

// storeInt8 is what int8 pages make of a head.
func storeInt8(head []float64) {
	v := make([]float32, len(head))
	for i, x := range head {
		v[i] = float32(x)
	}
	q, scale := shaders.QuantizeKV(v)
	for i := range head {
		head[i] = float64(q[i]) * float64(scale)
	}
}

// TestKVBytes holds the plan to what the device's account says, and int8 pages to half of f16's and their scales.
func TestKVBytes(t *testing.T) {
	d := gputest.Device(t)
	f := open(t, "oracle/arch/qwen2.gguf")
	perToken := map[model.KVType]uint64{}
	for _, kv := range []model.KVType{model.F32, model.F16, model.I8} {
		before := d.Memory()
		m, err := model.New(d, f, model.Options{Sequences: 2, BatchTokens: 8, Blocks: 7, Context: 64, KVType: kv})
		require.NoError(t, err)
		p := m.Plan()
		perToken[kv] = p.Config.KVBytesPerToken(kv)
		assert.Equal(t, p.KV, d.Memory()[gpu.KV]-before[gpu.KV], kv)
		assert.Equal(t, 7*16*perToken[kv], p.KV, kv)
		c := p.Config
		assert.EqualValues(t, 2*c.Layers*c.KVHeads*c.HeadDim*kv.Bytes(), perToken[kv]-c.KVScaleBytesPerToken(kv), kv)
		m.Release()
	}
	assert.Equal(t, perToken[model.F32], 2*perToken[model.F16])
	assert.EqualValues(t, 2*2*2*(16+4), perToken[model.I8]) // 2 layers, 2 heads of 16 with a scale
}

// TestKVNaN: a value that is no number is none when it comes back from a page of any type, so tokens that see it are -1.
func TestKVNaN(t *testing.T) {
	x := contentsOf(t, open(t, "oracle/arch/llama3-scaled.gguf"))
	v, was := x.values("token_embd.weight")
	for i := range 64 {
		v[3*64+i] = float32(math.NaN())
	}
	x.put("token_embd.weight", was.kind, v, was.dims...)
	for _, kv := range []model.KVType{model.F32, model.F16, model.I8} {
		m := load(t, x.file(), model.Options{Sequences: 1, BatchTokens: 8, Outputs: 8, Blocks: 4, Context: 64, KVType: kv})
		b := &batch.Batch{}
		rows(b, []int32{1, 3, 2, 4}, 0, 4, []int32{1}, 4, batch.WantToken)
		out, err := m.Run(b)
		require.NoError(t, err)
		for i, o := range out[1:] {
			assert.EqualValues(t, -1, o.Token, "%v, row %d", kv, 1+i)
		}
	}
}

func TestParseKVType(t *testing.T) {
	for s, want := range map[string]model.KVType{"": model.F32, "f32": model.F32, "f16": model.F16, "int8": model.I8, "i8": model.I8} {
		got, err := model.ParseKVType(s)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		if len(s) > 2 {
			assert.Equal(t, s, got.String())
		}
	}
	_, err := model.ParseKVType("int4")
	assert.ErrorContains(t, err, `model: kv type "int4" is not supported (f32, f16, int8)`)
}

package model_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

const testdata = "../testdata/"

func open(t testing.TB, name string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(testdata + name)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func load(t testing.TB, src model.Source, o model.Options) *model.Model {
	t.Helper()
	d := gputest.Device(t)
	m, err := model.New(d, src, o)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	return m
}

// oracle is one sequence of another engine's logits.
type oracle struct {
	Model     string  `json:"model"`
	IDs       []int32 `json:"ids"`
	Positions []struct {
		LSE float64      `json:"lse"`
		Top [][2]float64 `json:"top"`
	} `json:"positions"`
	Last []float64 `json:"last"`
}

func readJSON(t testing.TB, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile(testdata + "oracle/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, v))
}

// sequence lays ids out as rows first..len-1 of one sequence whose blocks are given.
func sequence(ids []int32, first int, blocks []int32, want batch.Want) *batch.Batch {
	b := &batch.Batch{Tokens: ids[first:]}
	for p := first; p < len(ids); p++ {
		b.Positions = append(b.Positions, int32(p))
		b.Slots = append(b.Slots, blocks[p/model.BlockSize]*model.BlockSize+int32(p%model.BlockSize))
	}
	n := len(ids) - first
	b.Sequences = []batch.Sequence{{Rows: n, Blocks: blocks[:(len(ids)-1)/model.BlockSize+1], Outputs: n, Want: want}}
	return b
}

// logits runs ids in chunks of rows at most chunk and returns all logits.
func logits(t testing.TB, m *model.Model, ids []int32, chunk int) (all [][]float32) {
	t.Helper()
	blocks := make([]int32, m.Plan().Whole())
	for i := range blocks {
		blocks[i] = int32(len(blocks) - 1 - i) // any order but the plain one
	}
	for first := 0; first < len(ids); first += chunk {
		out, err := m.Run(sequence(ids[:min(len(ids), first+chunk)], first, blocks, batch.WantLogits))
		require.NoError(t, err)
		for _, o := range out {
			all = append(all, o.Logits)
		}
	}
	return all
}

func lse(logits []float32) float64 {
	m := math.Inf(-1)
	for _, v := range logits {
		m = max(m, float64(v))
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - m)
	}
	return m + math.Log(sum)
}

// soak runs the long variants: compiling kernels takes lavapipe seconds for each model.
var soak = os.Getenv("UMBRA_SOAK") != ""

// check compares logits with the oracle's at every position and returns the largest difference.
func (o oracle) check(t *testing.T, got [][]float32, tolerance float64) {
	t.Helper()
	worst := 0.0
	require.Len(t, got, len(o.Positions))
	for p, want := range o.Positions {
		worst = max(worst, math.Abs(lse(got[p])-want.LSE))
		for _, top := range want.Top {
			worst = max(worst, math.Abs(float64(got[p][int(top[0])])-top[1]))
		}
	}
	for i, want := range o.Last {
		worst = max(worst, math.Abs(float64(got[len(got)-1][i])-want))
	}
	t.Logf("largest difference %.2g", worst)
	assert.LessOrEqual(t, worst, tolerance)
}

// TestGopherLogits compares with llama.cpp's logits: 2e-3 is what the sums' order may cost with f32 KV; f16 and
// int8 pages add their rounding: 1.4e-3 and 0.07 with gopher-28m on lavapipe, 3.2e-3 and 0.27 with the draft model.
func TestGopherLogits(t *testing.T) {
	var all []oracle
	readJSON(t, "gopher-logits.json", &all)
	files := map[string]string{"gopher-28m": "gopher-28m-q8_0.gguf", "gopher-draft-4m": "gopher-draft-4m-q8_0.gguf"}
	for _, c := range []struct {
		kv        model.KVType
		tolerance float64
	}{{model.F32, 2e-3}, {model.F16, 2e-2}, {model.I8, 0.4}} {
		for name, file := range files {
			t.Run(name+" "+c.kv.String(), func(t *testing.T) {
				chunks := []int{64, 16, 3, 1}
				switch {
				case soak:
				case c.kv == model.F32:
					chunks = []int{64, 3}
				case name == "gopher-28m":
					t.Skip("other pages on the smaller model; with UMBRA_SOAK=1 here too")
				default:
					chunks = []int{16}
				}
				m := load(t, open(t, file), model.Options{Sequences: 1, BatchTokens: 64, Outputs: 64, Blocks: 8, Context: 128, KVType: c.kv})
				n := 0
				for _, o := range all {
					if o.Model == name {
						n++
						for _, chunk := range chunks {
							o.check(t, logits(t, m, o.IDs, chunk), c.tolerance)
						}
					}
				}
				require.Positive(t, n)
			})
		}
	}
}

// geluModels are those with GELU: llama.cpp takes it from a table of f16 numbers at f16 points, which moves logits by up to 2.9e-3. With
// such a table, TestReference is within 5e-4 of them; TestExactGELU has umbra's within 5e-5 of GELU itself. So theirs is the one
// tolerance of f32 KV above 2e-3.
var geluModels = []string{"gemma", "gemma2", "gemma3", "gpt2", "phi2", "starcoder2"}

// everyBlock are models that between them have every kind of block: soft caps, windows, norms after, LayerNorm, fused matrices, learned positions,
// experts.
var everyBlock = []string{"gemma2", "gpt2", "qwen2moe"}

// TestArchitectures compares tiny random models of each architecture and variant with llama.cpp's logits, in both
// shapes of kernels: sequences whole, chunked, token by token, and together. The tolerance is five units of the oracle's last digit, 5e-5,
// where 2e-3 would do, but for GELU (geluModels); what f16 and int8 pages add is their rounding. Compiling kernels takes lavapipe most of the time, so
// but with UMBRA_SOAK=1 only models that between them have every kind of block run on other pages, token by token, and whole
// sequences alone, and one of them on wide kernels.
func TestArchitectures(t *testing.T) {
	paths, err := filepath.Glob(testdata + "oracle/arch/*.gguf")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".gguf")
		exact := 5e-5
		if slices.Contains(geluModels, name) {
			exact = 3e-3
		}
		int8 := exact + 0.4
		if strings.HasSuffix(name, "moe") || name == "mixtral" { // what rounding does to a router's logits can change an expert: 1.5
			int8 = 2
		}
		var all []oracle
		readJSON(t, "arch/"+name+".json", &all)
		require.Len(t, all, 2)
		for _, c := range []struct {
			narrow    bool
			kv        model.KVType
			tolerance float64
		}{{true, model.F32, exact}, {false, model.F32, exact}, {true, model.F16, exact + 2e-2}, {true, model.I8, int8}} {
			shape := map[bool]string{true: "narrow", false: "wide"}[c.narrow]
			entire := soak || slices.Contains(everyBlock, name)
			if !entire && (!c.narrow || c.kv != model.F32) || !soak && !c.narrow && name != everyBlock[0] {
				continue
			}
			t.Run(fmt.Sprintf("%s %s %v", name, shape, c.kv), func(t *testing.T) {
				f := open(t, "oracle/arch/"+name+".gguf")
				d := gputest.Device(t)
				require.NoError(t, d.Flush()) // the device's own buffers are made with its first submission
				before := d.Memory()
				m, err := model.NewTuned(d, shaders.Tuning{Narrow: c.narrow}, f,
					model.Options{Sequences: 2, BatchTokens: 96, Outputs: 96, Blocks: 32, Context: 512, KVType: c.kv})
				require.NoError(t, err)
				defer m.Release()
				plan, after := m.Plan(), d.Memory()
				for i, want := range []uint64{plan.Weights, plan.KV, plan.Scratch} {
					assert.Equal(t, want, after[i]-before[i], "%v", i)
				}
				chunks := []int{48, 7, 1}
				switch {
				case c.kv != model.F32:
					chunks = []int{7}
				case !entire:
					chunks = []int{7}
				}
				both := &batch.Batch{}
				for i, o := range all {
					for _, chunk := range chunks {
						o.check(t, logits(t, m, o.IDs, chunk), c.tolerance)
					}
					rows(both, o.IDs, 0, len(o.IDs), []int32{int32(9 - i), int32(3 + i), int32(20 - i)}, len(o.IDs), batch.WantLogits)
				}
				out, err := m.Run(both)
				require.NoError(t, err)
				for _, o := range all {
					var got [][]float32
					for _, x := range out[:len(o.IDs)] {
						got = append(got, x.Logits)
					}
					out = out[len(o.IDs):]
					o.check(t, got, c.tolerance)
				}
			})
		}
	}
}

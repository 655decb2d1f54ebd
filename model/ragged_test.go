package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// rows appends rows first..to-1 of a sequence to a batch.
func rows(b *batch.Batch, ids []int32, first, to int, blocks []int32, outputs int, want batch.Want) {
	s := sequence(ids[:to], first, blocks, want)
	s.Sequences[0].Start, s.Sequences[0].Outputs, s.Sequences[0].ID = len(b.Tokens), outputs, uint64(len(b.Sequences))
	b.Tokens = append(b.Tokens, s.Tokens...)
	b.Positions = append(b.Positions, s.Positions...)
	b.Slots = append(b.Slots, s.Slots...)
	b.Sequences = append(b.Sequences, s.Sequences...)
}

func randomIDs(r *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(vocab))
	}
	return ids
}

// TestDeepContexts decodes sequences around 8,192 tokens, where parts of a split context become longer, so that a longer
// context may have fewer: together they must be what they are alone. Their tables name a few pages many times over.
func TestDeepContexts(t *testing.T) {
	c := contentsOf(t, open(t, "oracle/arch/qwen2.gguf"))
	c.set("qwen2.context_length", uint32(20000))
	f := c.file()
	r := rand.New(rand.NewPCG(1, 1))
	ids := randomIDs(r, 20000, 256)
	for _, narrow := range []bool{true, false} {
		if !narrow && !soak {
			continue
		}
		t.Run(fmt.Sprintf("narrow=%v", narrow), func(t *testing.T) {
			m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: narrow}, f,
				model.Options{Sequences: 4, BatchTokens: 112, Outputs: 8, Blocks: 20, Context: 20000})
			require.NoError(t, err)
			defer m.Release()
			prefill := make([]int32, 7)
			for i := range prefill {
				prefill[i] = int32(i)
			}
			b := &batch.Batch{}
			rows(b, ids, 0, 112, prefill, 0, batch.WantToken)
			_, err = m.Run(b)
			require.NoError(t, err)

			parts := [][2]int{{8199, 8200}, {4998, 5000}, {8190, 8194}, {16500, 16501}}
			var tables [][]int32
			for i, p := range parts {
				table := make([]int32, p[1]/model.BlockSize+1)
				for j := range table {
					table[j] = int32(r.IntN(7))
				}
				for j := p[0] / model.BlockSize; j < len(table); j++ { // written to, so its own
					table[j] = int32(7 + 2*i + j - p[0]/model.BlockSize)
				}
				tables = append(tables, table)
			}
			var alone [][]float32
			together := &batch.Batch{}
			for i, p := range parts {
				b := &batch.Batch{}
				rows(b, ids, p[0], p[1], tables[i], p[1]-p[0], batch.WantLogits)
				out, err := m.Run(b)
				require.NoError(t, err)
				for _, o := range out {
					alone = append(alone, o.Logits)
				}
				rows(together, ids, p[0], p[1], tables[i], p[1]-p[0], batch.WantLogits)
			}
			out, err := m.Run(together)
			require.NoError(t, err)
			require.Len(t, out, len(alone))
			for i, o := range out {
				worst := 0.0
				for j, v := range o.Logits {
					worst = max(worst, math.Abs(float64(v-alone[i][j])))
				}
				assert.Less(t, worst, 1e-4, "output %d", i) // 0 on lavapipe; a part left out makes it 1
			}
		})
	}
}

// raggedSteps lists, step by step, how many rows of each of five sequences run: prefill in chunks beside decode,
// sequences that wait, start late and end early. All stay within 64 rows.
var raggedSteps = [][5]int{
	{17, 5, 0, 1, 0},
	{16, 1, 30, 1, 0},
	{7, 1, 49, 1, 4},
	{1, 1, 50, 1, 1},
	{1, 1, 1, 0, 1},
	{0, 1, 3, 0, 40},
	{1, 1, 0, 0, 1},
	{1, 0, 0, 9, 0},
	{0, 0, 1, 1, 0},
	{60, 0, 0, 0, 0},
}

// TestRaggedBatches runs five sequences together and each alone, in the same chunks.
//
// A row's sums never depend on other rows, but how they are compiled may depend on how many there are. Seen on lavapipe,
// and held to there: narrow kernels give every logit the same to the bit, whatever else is in the batch. Wide ones do as
// long as all steps of the sequence ran in the same kernels (for 1, 2, 4, 8, 32 or more rows); else logits differ by
// rounding, up to 1.4e-5. Other adapters' compilers are held to rounding alone.
func TestRaggedBatches(t *testing.T) {
	f := open(t, "gopher-draft-4m-q8_0.gguf")
	r := rand.New(rand.NewPCG(3, 3))
	var ids [5][]int32
	var blocks [5][]int32
	pool := r.Perm(40)
	for i := range ids {
		ids[i] = randomIDs(r, 140, 8192)
		for _, b := range pool[8*i : 8*i+8] {
			blocks[i] = append(blocks[i], int32(b))
		}
		blocks[i] = append(blocks[i], int32(40+i))
	}
	for _, narrow := range []bool{true, false} {
		if !narrow && !soak {
			continue
		}
		t.Run(fmt.Sprintf("narrow=%v", narrow), func(t *testing.T) {
			m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: narrow}, f,
				model.Options{Sequences: 5, BatchTokens: 128, Outputs: 128, Blocks: 45, Context: 144})
			require.NoError(t, err)
			defer m.Release()
			// run runs the steps of the sequences that take part, and returns each one's logits, row by row, and how many
			// rows were in the batch that gave them.
			run := func(takesPart func(sequence int) bool) (all [5][][]float32, beside [5][]int) {
				var at [5]int
				for _, step := range raggedSteps {
					b := &batch.Batch{}
					for i, n := range step {
						if n > 0 && takesPart(i) {
							rows(b, ids[i], at[i], at[i]+n, blocks[i], n, batch.WantLogits)
							at[i] += n
						}
					}
					if len(b.Tokens) == 0 {
						continue
					}
					out, err := m.Run(b)
					require.NoError(t, err)
					require.Len(t, out, len(b.Tokens))
					for i, n := range step {
						if n > 0 && takesPart(i) {
							for _, o := range out[:n] {
								all[i] = append(all[i], o.Logits)
								beside[i] = append(beside[i], len(b.Tokens))
							}
							out = out[n:]
						}
					}
				}
				return all, beside
			}
			together, many := run(func(int) bool { return true })
			exact := gputest.Device(t).Info().Kind == gpu.KindCPU
			same, worst := 0, 0.0
			for i := range ids {
				alone, few := run(func(j int) bool { return j == i })
				require.Len(t, alone[i], len(together[i]))
				alike := exact
				for p := range alone[i] {
					d := 0.0
					for k, v := range alone[i][p] {
						d = max(d, math.Abs(float64(v-together[i][p][k])))
					}
					if worst = max(worst, d); d == 0 {
						same++
					}
					if alike = alike && (narrow || kernelRows(few[i][p]) == kernelRows(many[i][p])); alike {
						assert.Zero(t, d, "sequence %d, position %d, in %d rows and alone in %d", i, p, many[i][p], few[i][p])
					}
				}
			}
			t.Logf("%d rows the same to the bit; largest difference %.2g", same, worst)
			assert.Less(t, worst, 1e-4)
		})
	}
}

// kernelRows is for how many rows the wide kernel that multiplies n rows is compiled.
func kernelRows(n int) int {
	for _, k := range []int{1, 2, 4, 8} {
		if n <= k {
			return k
		}
	}
	switch {
	case n <= 16:
		return 8 // twice
	case n <= 32:
		return 9 // 8, several times, with more weight rows a lane: the order of sums is the same, but not of their code
	case n <= 240:
		return 33
	}
	return 241
}

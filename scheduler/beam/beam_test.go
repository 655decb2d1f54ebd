package beam

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"
)

// oracle makes logits of what was generated: on a grid where ties are common, or not.
type oracle struct {
	vocabulary int
	seed       uint64
	grid       float64 // 0: none
}

func (o oracle) logits(tokens []int32) []float32 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, tokens)
	r := rand.New(rand.NewPCG(h.Sum64(), o.seed))
	out := make([]float32, o.vocabulary)
	for i := range out {
		x := r.NormFloat64() * 2
		if o.grid > 0 {
			x = math.Round(x/o.grid) * o.grid
		}
		out[i] = float32(x)
	}
	return out
}

func (o oracle) logProbs(tokens []int32) []float64 {
	logits := o.logits(tokens)
	peak, sum := float64(slices.Max(logits)), 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - peak)
	}
	out := make([]float64, len(logits))
	for i, l := range logits {
		out[i] = float64(l) - peak - math.Log(sum)
	}
	return out
}

// found is a finished hypothesis with its tokens.
type found struct {
	tokens []int32
	sum    float64
	score  float64
}

func (f found) String() string { return fmt.Sprintf("%v %.6f %.6f", f.tokens, f.sum, f.score) }

// brute is the search in the simplest words: all candidates listed, all sorted. It never stops before longest unless told
// to stop early.
func brute(o oracle, p Params, longest int, ends []int32) []found {
	type hypothesis struct {
		tokens []int32
		sum    float64
	}
	beams := []hypothesis{{}}
	var done []found
	finish := func(h hypothesis) {
		done = append(done, found{h.tokens, h.sum, h.sum / math.Pow(float64(len(h.tokens)), p.LengthPenalty)})
		sort.SliceStable(done, func(i, j int) bool { return done[i].score > done[j].score })
		done = done[:min(len(done), p.Width)]
	}
	for range longest {
		type candidate struct {
			hypothesis
			place int
		}
		var all []candidate
		for place, b := range beams {
			for id, l := range o.logProbs(b.tokens) {
				all = append(all, candidate{hypothesis{append(slices.Clone(b.tokens), int32(id)), b.sum + l}, place})
			}
		}
		sort.SliceStable(all, func(i, j int) bool { return all[i].sum > all[j].sum }) // ties: as listed
		var next []candidate
		for rank, c := range all {
			if !slices.Contains(ends, c.tokens[len(c.tokens)-1]) {
				if next = append(next, c); len(next) == p.Width {
					break
				}
			} else if rank < p.Width {
				finish(c.hypothesis)
			}
		}
		// Places decide ties: the first of a parent stays, others take what is free.
		places := make([]*hypothesis, p.Width)
		var rest []hypothesis
		for _, c := range next {
			if places[c.place] == nil {
				places[c.place] = &c.hypothesis
			} else {
				rest = append(rest, c.hypothesis)
			}
		}
		beams = beams[:0]
		for _, h := range places {
			if h == nil {
				h, rest = &rest[0], rest[1:]
			}
			beams = append(beams, *h)
		}
		if p.EarlyStopping && len(done) == p.Width {
			return done
		}
	}
	for _, b := range beams {
		finish(b)
	}
	return done
}

// run drives a Search as the scheduler does, and checks its moves.
func run(t *testing.T, o oracle, p Params, longest int, ends []int32) (best []found, steps int) {
	s := New(p, longest, ends)
	beams := [][]int32{{}}
	all := map[int][]int32{}
	for {
		var rows [][]float32
		for _, b := range beams {
			rows = append(rows, o.logits(b))
		}
		d, err := s.Step(rows)
		require.NoError(t, err)
		steps++
		for _, e := range d.Ended {
			all[e.ID] = append(slices.Clone(beams[e.Parent]), e.Token)
		}
		if d.Done {
			break
		}
		require.Len(t, d.Next, p.Width)
		for len(beams) < p.Width {
			beams = append(beams, nil)
		}
		for i, m := range d.Next { // in place, one by one
			if m.Parent != i {
				require.Equal(t, m.Parent, d.Next[m.Parent].Parent, "a place that is overwritten is nobody's parent")
				beams[i] = slices.Clone(beams[m.Parent])
			}
		}
		for i, m := range d.Next {
			beams[i] = append(beams[i], m.Token)
		}
		if len(beams[0]) == longest {
			for _, e := range s.Finish() {
				all[e.ID] = slices.Clone(beams[e.Parent])
			}
			break
		}
	}
	for _, e := range s.Best(p.Width) {
		require.Len(t, all[e.ID], e.Length)
		best = append(best, found{all[e.ID], e.LogProb, e.Score})
	}
	return best, steps
}

// TestBruteForce: the same hypotheses, scores and order as the search in its simplest words, which looks to the end.
func TestBruteForce(t *testing.T) {
	stopped := 0
	for i := range 4000 {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		p := Params{Width: 1 + r.IntN(5), LengthPenalty: []float64{-1, 0, 0.5, 1, 2}[r.IntN(5)], EarlyStopping: r.IntN(2) == 0}
		o := oracle{vocabulary: p.Width + 3 + r.IntN(6), seed: uint64(i), grid: []float64{0, 1}[r.IntN(2)]}
		var ends []int32
		for range r.IntN(4) {
			ends = append(ends, r.Int32N(int32(o.vocabulary)))
		}
		longest := 1 + r.IntN(8)
		want := brute(o, p, longest, ends)
		got, steps := run(t, o, p, longest, ends)
		if steps < longest {
			stopped++
		}
		require.Equal(t, len(want), len(got), "%+v %+v", p, o)
		for j := range want {
			require.InDelta(t, want[j].score, got[j].score, 1e-9, "%d: %+v, %d at most: %v, want %v", j, p, longest, got, want)
			require.Equal(t, want[j].tokens, got[j].tokens, "%d: %+v, %d at most: %v, want %v", j, p, longest, got, want)
		}
	}
	require.Greater(t, stopped, 500, "or the bound is tested too little")
}

// TestGreedy: one beam takes the likeliest token each time.
func TestGreedy(t *testing.T) {
	o := oracle{vocabulary: 20, seed: 3}
	var want []int32
	for range 10 {
		l := o.logits(want)
		want = append(want, int32(slices.Index(l, slices.Max(l))))
	}
	got, _ := run(t, o, Params{Width: 1}, 10, nil)
	require.Equal(t, want, got[0].tokens)
}

// TestExhaustive: with a beam for every beginning there is, the best is the best of all.
func TestExhaustive(t *testing.T) {
	for seed := range uint64(20) {
		o := oracle{vocabulary: 4, seed: seed}
		best := math.Inf(-1)
		var walk func(tokens []int32, sum float64)
		walk = func(tokens []int32, sum float64) {
			if n := len(tokens); n == 3 || n > 0 && tokens[n-1] == 0 {
				best = max(best, sum/float64(n))
				return
			}
			for id, l := range o.logProbs(tokens) {
				walk(append(slices.Clone(tokens), int32(id)), sum+l)
			}
		}
		walk(nil, 0)
		// 27 beams hold all beginnings of 3 tokens; tokens that cannot be make the vocabulary large enough for so many.
		wide := oracleWithout{o, 30}
		got := runWide(t, wide, Params{Width: 27, LengthPenalty: 1}, 3, []int32{0})
		require.InDelta(t, best, got, 1e-9)
	}
}

// oracleWithout has more tokens, of no probability.
type oracleWithout struct {
	oracle
	vocabulary int
}

func runWide(t *testing.T, o oracleWithout, p Params, longest int, ends []int32) float64 {
	s := New(p, longest, ends)
	beams := [][]int32{{}}
	for {
		var rows [][]float32
		for _, b := range beams {
			row := make([]float32, o.vocabulary)
			for i := range row {
				row[i] = float32(math.Inf(-1))
			}
			copy(row, o.logits(b))
			rows = append(rows, row)
		}
		d, err := s.Step(rows)
		require.NoError(t, err)
		if d.Done {
			break
		}
		before := beams
		beams = make([][]int32, p.Width)
		for i, m := range d.Next {
			beams[i] = append(slices.Clone(before[m.Parent]), m.Token)
		}
		if len(beams[0]) == longest {
			s.Finish()
			break
		}
	}
	return s.Best(1)[0].Score
}

func TestErrors(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	s := New(Params{Width: 2}, 5, []int32{1, 1})
	_, err := s.Step([][]float32{{1, 2}})
	require.EqualError(t, err, "beam: 2 beams cannot differ in a vocabulary of 2 tokens, 1 of which end")
	_, err = s.Step([][]float32{{1, 2, nan, 3}})
	require.EqualError(t, err, "beam: logit 2 of beam 0 is NaN")
	_, err = s.Step([][]float32{{-inf, -inf, -inf}})
	require.EqualError(t, err, "beam: all logits are -Inf")
	_, err = s.Step([][]float32{{1, 2, 3}, {1, 2, 3}})
	require.EqualError(t, err, "beam: 2 rows of logits for 1 beams")
	d, err := s.Step([][]float32{{inf, 7, inf}})
	require.NoError(t, err)
	require.Equal(t, []Move{{0, 0}, {0, 2}}, d.Next)
	require.InDelta(t, math.Log(0.5), s.sums[1], 1e-12, "infinite logits share all probability")
	d, err = s.Step([][]float32{{0, 7, -inf}, {-inf, 7, -inf}})
	require.NoError(t, err)
	require.Len(t, d.Ended, 2)
	require.Equal(t, []Move{{0, 0}, {0, 2}}, d.Next, "what cannot be comes last")

	require.NoError(t, Params{Width: 1}.Validate())
	require.EqualError(t, Params{}.Validate(), "beam: width 0 is out of range: want 1 or more")
	require.EqualError(t, Params{Width: 1, LengthPenalty: math.NaN()}.Validate(), "beam: length penalty NaN is out of range: want a finite number")
}

func BenchmarkStep(b *testing.B) {
	const vocabulary, width = 128256, 4
	rows := make([][]float32, width)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		rows[i] = make([]float32, vocabulary)
		for j := range rows[i] {
			rows[i][j] = float32(r.NormFloat64())
		}
	}
	s := New(Params{Width: width}, math.MaxInt, []int32{2})
	if _, err := s.Step(rows[:1]); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Step(rows); err != nil {
			b.Fatal(err)
		}
	}
}

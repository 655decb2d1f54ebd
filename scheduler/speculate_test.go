package scheduler

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/scheduler/ngram"
	"umbra/scheduler/pace"
	"umbra/scheduler/sample"
)

// few is a vocabulary small enough for the exact distribution of several tokens.
const few = 5

// fewLogits are a small target's logits.
func fewLogits(text []int32) []float32 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, text[max(0, len(text)-2):])
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	logits := make([]float32, few)
	for i := range logits {
		logits[i] = float32(1.5 * r.NormFloat64())
	}
	return logits
}

// draftLogits are those of a draft that knows the target a little.
func draftLogits(text []int32) []float32 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, text)
	r := rand.New(rand.NewPCG(h.Sum64(), 2))
	logits := fewLogits(text)
	for i := range logits {
		logits[i] = 0.7*logits[i] + float32(r.NormFloat64())
	}
	return logits
}

// exact is the probability of each token after a text, written out without the code under test.
func exact(p sample.Params, text []int32) (chances [few]float64) {
	logits := penalised(fewLogits(text), p, text)
	type item struct {
		id int
		p  float64
	}
	var sorted []item
	sum := 0.0
	for i, l := range logits {
		sorted = append(sorted, item{i, math.Exp(float64(l))})
		sum += math.Exp(float64(l))
	}
	for i := range sorted {
		for j := i + 1; j < few; j++ {
			if sorted[j].p > sorted[i].p {
				sorted[i], sorted[j] = sorted[j], sorted[i]
			}
		}
	}
	if p.TopK > 0 {
		sorted = sorted[:p.TopK]
	}
	sum = 0
	for _, x := range sorted {
		sum += x.p
	}
	reached := 0.0
	for i, x := range sorted {
		if reached += x.p / sum; reached >= p.TopP {
			sorted = sorted[:i+1]
			break
		}
	}
	sum = 0
	for _, x := range sorted {
		sum += math.Pow(x.p, 1/p.Temperature)
	}
	for _, x := range sorted {
		chances[x.id] = math.Pow(x.p, 1/p.Temperature) / sum
	}
	return chances
}

// TestLossless draws 20,000 answers of five tokens each with proposals, of a draft or of the text itself, and compares how often each
// answer comes with its exact probability.
func TestLossless(t *testing.T) {
	const answers, length = 20_000, 5
	for _, c := range []struct {
		name   string
		change func(p *sample.Params)
		text   bool
		n      int
	}{
		{"draft", func(*sample.Params) {}, false, 1},
		{"draft, top-k 3", func(p *sample.Params) { p.TopK = 3 }, false, 1},
		{"draft, top-k 4, top-p 0.8, temperature 1.5", func(p *sample.Params) { p.TopK, p.TopP, p.Temperature = 4, 0.8, 1.5 }, false, 1},
		{"draft, temperature 0.6, penalty 1.4", func(p *sample.Params) { p.Temperature, p.Penalty, p.PenaltyLast = 0.6, 1.4, 3 }, false, 1},
		{"draft, four answers", func(*sample.Params) {}, false, 4},
		{"text", func(*sample.Params) {}, true, 1},
		{"text, top-k 3", func(p *sample.Params) { p.TopK = 3 }, true, 1},
		{"text, top-k 5, top-p 0.95, temperature 1.5", func(p *sample.Params) { p.TopK, p.TopP, p.Temperature = 5, 0.95, 1.5 }, true, 1},
		{"text, temperature 0.6, penalty 1.4", func(p *sample.Params) { p.Temperature, p.Penalty, p.PenaltyLast = 0.6, 1.4, 3 }, true, 1},
		{"text, top-p 0.9", func(p *sample.Params) { p.TopP = 0.9 }, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			params := sample.Neutral()
			c.change(&params)
			prompt := []int32{0, 1, 2, 3, 0, 1, 4, 2, 3, 1, 0, 2, 4, 0, 1}
			config := Config{BlockSize: 4, Blocks: 80, MaxBatchTokens: 64, MaxSequences: 8, Context: 32, Vocabulary: few,
				Speculation: &Speculation{Most: 3, Outputs: 32, Always: true, Text: c.text, Rates: pace.DraftRates()}}
			s, err := New(config)
			require.NoError(t, err)
			f := newFake(config)
			f.of = fewLogits
			seen := map[string]int{}
			open := map[answer][]int32{}
			for seed := 0; seed < answers || len(open) > 0; {
				for ; seed < answers && len(open) < 2*config.MaxSequences; seed += c.n {
					params.Seed = uint64(seed)
					id, err := s.Add(Request{Prompt: prompt, MaxTokens: length, N: c.n, Sampling: params})
					require.NoError(t, err)
					for i := range c.n {
						open[answer{id, i}] = nil
					}
				}
				if !c.text {
					draft(t, s.Asks())
				}
				b := s.Next()
				out, err := f.run(b)
				require.NoError(t, err)
				events, err := s.Commit(b, out)
				require.NoError(t, err)
				for _, e := range events {
					a := answer{e.ID, e.Answer}
					if open[a] = append(open[a], e.Tokens...); e.Reason != Unfinished {
						require.Len(t, open[a], length)
						seen[fmt.Sprint(open[a])]++
						delete(open, a)
					}
				}
			}
			require.NoError(t, s.Check())
			chi, freedom, other, otherWant := 0.0, -1, answers, float64(answers)
			var walk func(text []int32, chance float64)
			walk = func(text []int32, chance float64) {
				if chance == 0 {
					return
				}
				if len(text) < len(prompt)+length {
					for id, x := range exact(params, text) {
						walk(append(text[:len(text):len(text)], int32(id)), chance*x)
					}
					return
				}
				n, want := seen[fmt.Sprint(text[len(prompt):])], chance*answers
				if want < 8 {
					return // with others as rare
				}
				chi += (float64(n) - want) * (float64(n) - want) / want
				freedom++
				other, otherWant = other-n, otherWant-want
			}
			walk(prompt, 1)
			if otherWant > 8 {
				chi += (float64(other) - otherWant) * (float64(other) - otherWant) / otherWant
				freedom++
			} else {
				require.Less(t, float64(other), otherWant+20)
			}
			// The 99.9 % point of chi-square (Wilson and Hilferty 1931).
			d := float64(freedom)
			limit := d * math.Pow(1-2/(9*d)+3.09*math.Sqrt(2/(9*d)), 3)
			st := s.Stats().Speculated
			t.Logf("chi-square %.1f of %d degrees of freedom, at most %.1f; %d of %d proposals accepted at the first position, %d of %d at the third",
				chi, freedom, limit, st.Accepted[0], st.Proposed[0], st.Accepted[2], st.Proposed[2])
			require.Greater(t, freedom, 3)
			require.Less(t, chi, limit)
			require.NotZero(t, st.Accepted[0])
			require.NotZero(t, st.Proposed[2])
		})
	}
}

// draft makes proposals as a draft model does, longer ones where it is surer.
func draft(t *testing.T, asks []Ask) {
	for i := range asks {
		a := &asks[i]
		p := a.Sampling
		p.Seed = p.Seed*16 + uint64(len(a.Tokens)) // a sampler for each turn will do
		proposer, err := sample.NewProposer(p)
		require.NoError(t, err)
		text := append([]int32(nil), a.Tokens...)
		for range a.Most {
			all := draftLogits(text)
			o := output(all, 1, 4)
			id, odds, top, err := proposer.Propose(sample.Candidates{IDs: o.TopIDs, Logits: o.TopLogits}, text)
			require.NoError(t, err)
			if top < 0.4 {
				break
			}
			text = append(text, id)
			a.Proposal.Tokens = append(a.Proposal.Tokens, id)
			a.Proposal.Odds = append(a.Proposal.Odds, odds)
			a.Proposal.Classes = append(a.Proposal.Classes, pace.DraftClass(top))
		}
	}
}

// TestTextProposals: a text that repeats itself takes a fraction of the steps, and its tokens are the same.
func TestTextProposals(t *testing.T) {
	period := []int32{3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9}
	of := func(text []int32) []float32 { // goes round, but for every 50th token
		logits := make([]float32, syllables)
		at := len(text) % len(period)
		if len(text)%50 == 0 {
			logits[40+len(text)/50] = 2
		}
		logits[period[at]]++
		return logits
	}
	run := func(sp *Speculation) (r result, st Stats) {
		c := Config{BlockSize: 4, Blocks: 80, MaxBatchTokens: 32, MaxSequences: 2, Context: 300, Vocabulary: syllables, Piece: syllable, Speculation: sp}
		s, err := New(c)
		require.NoError(t, err)
		_, err = s.Add(Request{Prompt: period[:4], MaxTokens: 200, Stop: []string{string(syllable(43)) + string(syllable(period[200%11+1]))}})
		require.NoError(t, err)
		f := newFake(c)
		f.of = of
		for b := s.Next(); b != nil; b = s.Next() {
			out, err := f.run(b)
			require.NoError(t, err)
			events, err := s.Commit(b, out)
			require.NoError(t, err)
			for _, e := range events {
				r.add(e)
			}
			s.Took(pace.Times{Step: 10 + float64(len(b.Tokens))})
			require.NoError(t, s.Check())
		}
		return r, s.Stats()
	}
	want, plain := run(nil)
	require.Equal(t, StopString, want.reason)
	for _, sp := range []Speculation{
		{Most: 7, Outputs: 16, Text: true, Rates: pace.TextRates(), Always: true},
		{Most: 7, Outputs: 16, Text: true, Rates: pace.TextRates()},
		{Most: 7, Outputs: 16, Text: true, Rates: pace.TextRates(), Others: ngram.NewStatic(period)},
	} {
		got, st := run(&sp)
		require.NoError(t, want.differs(&got))
		require.Less(t, st.Steps, plain.Steps/3, "%+v", st.Speculated)
	}
}

// TestUselessProposals: where none come true, or rows cost too much, the pacer gives proposals up, and hardly a step is spent on them.
func TestUselessProposals(t *testing.T) {
	for _, c := range []struct {
		name  string
		right bool
		row   float64 // what a row more costs, of a step of one row
		draft float64 // what making a proposal costs
	}{
		{"wrong", false, 0.05, 0},
		{"wrong and dear to make", false, 0.01, 0.5},
		{"rows as dear as steps", true, 1, 0},
		{"too dear to make", true, 0.1, 1.2},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{BlockSize: 16, Blocks: 100, MaxBatchTokens: 64, MaxSequences: 4, Context: 1600, Vocabulary: syllables,
				Speculation: &Speculation{Most: 7, Outputs: 32, Rates: pace.DraftRates()}}
			s, err := New(config)
			require.NoError(t, err)
			_, err = s.Add(Request{Prompt: []int32{1}, MaxTokens: 1500})
			require.NoError(t, err)
			f := newFake(config)
			of := func(text []int32) []float32 {
				logits := make([]float32, syllables)
				logits[len(text)%7] = 1
				return logits
			}
			f.of = of
			took, tokens := 0.0, 0
			for {
				passes := 0
				for i, a := range s.Asks() {
					p := &s.asks[i].Proposal
					chance := 1.0
					for level := range a.Most {
						if !a.Prices.Worth(level, chance*a.Rates[6], a.Rates[6], false) {
							break
						}
						chance *= a.Rates[6]
						id := int32((len(a.Tokens) + level) % 7)
						if !c.right {
							id = 40
						}
						p.Tokens, p.Classes = append(p.Tokens, id), append(p.Classes, 6)
					}
					passes = len(p.Tokens)
				}
				b := s.Next()
				if b == nil {
					break
				}
				out, err := f.run(b)
				require.NoError(t, err)
				events, err := s.Commit(b, out)
				require.NoError(t, err)
				tokens += len(events[0].Tokens)
				step := 1 + c.row*float64(len(b.Tokens)-1)
				s.Took(pace.Times{Step: step, Drafts: c.draft * float64(passes), Passes: passes})
				took += step + c.draft*float64(passes)
			}
			t.Logf("%d tokens in the time of %.1f steps, %+v", tokens, took, s.Stats().Speculated)
			require.Less(t, took, float64(tokens)/0.97)
		})
	}
}

// TestProposalsBeside: with proposals each token still has its log-probability, and who samples by Mirostat gets none.
func TestProposalsBeside(t *testing.T) {
	period := []int32{3, 14, 15, 9, 26, 5}
	for _, mirostat := range []bool{false, true} {
		c := Config{BlockSize: 4, Blocks: 80, MaxBatchTokens: 32, MaxSequences: 2, Context: 300, Vocabulary: syllables,
			Speculation: &Speculation{Most: 5, Outputs: 16, Text: true, Rates: pace.TextRates(), Always: true}}
		s, err := New(c)
		require.NoError(t, err)
		var params sample.Params
		if mirostat {
			params = sample.Neutral()
			params.Mirostat.Surprise = 2
		}
		_, err = s.Add(Request{Prompt: period, MaxTokens: 60, LogProbs: 2, Sampling: params})
		require.NoError(t, err)
		f := newFake(c)
		f.of = func(text []int32) []float32 {
			logits := make([]float32, syllables)
			logits[period[len(text)%len(period)]] = 20
			return logits
		}
		tokens, most := 0, 0
		for b := s.Next(); b != nil; b = s.Next() {
			out, err := f.run(b)
			require.NoError(t, err)
			events, err := s.Commit(b, out)
			require.NoError(t, err)
			for _, e := range events {
				require.NoError(t, e.Err)
				require.Len(t, e.LogProbs, len(e.Tokens))
				for i, p := range e.LogProbs {
					require.Equal(t, e.Tokens[i], p.ID)
				}
				tokens, most = tokens+len(e.Tokens), max(most, len(e.Tokens))
			}
			require.NoError(t, s.Check())
		}
		require.Equal(t, 60, tokens)
		if proposed := s.Stats().Speculated.Proposed[0]; mirostat {
			require.Zero(t, proposed)
		} else {
			require.NotZero(t, proposed)
			require.Greater(t, most, 1)
		}
	}
}

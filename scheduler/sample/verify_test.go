package sample

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVerify proposes tokens with all kinds of odds, right and wrong ones, and compares what Verify returns with the exact
// distribution, written out by hand.
func TestVerify(t *testing.T) {
	const draws = 100_000
	logits := logs(0.4, 0.25, 0.125, 0.1, 0.075, 0.05)
	all := func(chances ...float64) Odds {
		return Odds{IDs: []int32{0, 1, 2, 3, 4, 5}[:len(chances)], Chances: chances}
	}
	targets := []struct {
		name   string
		change func(p *Params)
		want   [][]float64 // more than one are as likely as each other, by XTC's coin
	}{
		{"neutral", func(p *Params) {}, [][]float64{{0.4, 0.25, 0.125, 0.1, 0.075, 0.05}}},
		{"top-k 3", func(p *Params) { p.TopK = 3 }, [][]float64{{0.4 / 0.775, 0.25 / 0.775, 0.125 / 0.775, 0, 0, 0}}},
		{"top-p, temperature 2", func(p *Params) { p.TopP, p.Temperature = 0.6, 2 }, [][]float64{{0.558481559, 0.441518441, 0, 0, 0, 0}}},
		{"min-p, bias", func(p *Params) { p.MinP, p.Bias = 0.5, map[int32]float64{2: math.Inf(-1), 3: math.Log(4)} }, [][]float64{{0.4 / 1.05, 0.25 / 1.05, 0, 0.4 / 1.05, 0, 0}}},
		{"XTC", func(p *Params) { p.XTC = XTC{0.5, 0.2} }, [][]float64{{0.4, 0.25, 0.125, 0.1, 0.075, 0.05}, {0, 0.25 / 0.6, 0.125 / 0.6, 0.1 / 0.6, 0.075 / 0.6, 0.05 / 0.6}}},
		{"penalty", func(p *Params) { p.Penalty, p.PenaltyLast = 2, 1 }, [][]float64{{0.16 / 0.76, 0.25 / 0.76, 0.125 / 0.76, 0.1 / 0.76, 0.075 / 0.76, 0.05 / 0.76}}},
	}
	for _, proposals := range []struct {
		name string
		odds Odds
		sure int32 // proposed where the odds are certainty
	}{
		{"the likeliest", Odds{}, 0},
		{"an unlikely one", Odds{}, 5},
		{"one that the filters cut", Odds{}, 4},
		{"the same distribution", all(0.4, 0.25, 0.125, 0.1, 0.075, 0.05), 0},
		{"the reverse", all(0.05, 0.075, 0.1, 0.125, 0.25, 0.4), 0},
		{"two of them", all(0.5, 0.5), 0},
		{"nearly one", all(0.001, 0.999), 0},
	} {
		for _, target := range targets {
			t.Run(proposals.name+"/"+target.name, func(t *testing.T) {
				p := Neutral()
				p.Seed = 5
				target.change(&p)
				s, r := sampler(t, p), rand.New(rand.NewPCG(8, 9))
				seen, kept := make([]int, 6), 0
				for range draws {
					proposed := proposals.sure
					if odds := proposals.odds; odds.IDs != nil {
						left := r.Float64()
						for i, c := range odds.Chances {
							proposed = odds.IDs[i]
							if left -= c; left < 0 {
								break
							}
						}
					}
					id, accepted, err := s.Verify(Candidates{Logits: logits}, []int32{0}, proposed, proposals.odds)
					if err != nil {
						t.Fatal(err)
					}
					seen[id]++
					if accepted {
						kept++
						require.Equal(t, proposed, id)
					}
				}
				chi, freedom, overlap := 0.0, -1, 0.0
				for i := range logits {
					q := 0.0
					for _, want := range target.want {
						parts := float64(len(target.want))
						q += want[i] / parts
						if proposals.odds.IDs != nil {
							overlap += min(want[i], proposals.odds.of(int32(i))) / parts
						} else if int32(i) == proposals.sure {
							overlap += want[i] / parts
						}
					}
					if q == 0 {
						require.Zero(t, seen[i], "token %d cannot be", i)
						continue
					}
					d := float64(seen[i]) - q*draws
					chi += d * d / (q * draws)
					freedom++
				}
				limit := []float64{0, 15.14, 18.42, 21.11, 23.51, 25.74}[freedom] // 99.99 %
				require.LessOrEqual(t, chi, limit, "seen %v of %d", seen, draws)
				require.InDelta(t, overlap, float64(kept)/draws, 0.01, "no more can be accepted, and no less should")
			})
		}
	}
}

// TestPropose draws from a smaller model's largest candidates, and says with what odds.
func TestPropose(t *testing.T) {
	p := Neutral()
	p.Temperature, p.TopK = 0.5, 40
	s, err := NewProposer(p)
	require.NoError(t, err)
	few := Candidates{IDs: []int32{7, 3, 9}, Logits: logs(0.4, 0.2, 0.1)} // fewer than top-k is all there is
	seen := map[int32]int{}
	for range 10_000 {
		id, odds, top, err := s.Propose(few, nil)
		require.NoError(t, err)
		require.Equal(t, few.IDs, odds.IDs)
		require.InDeltaSlice(t, []float64{16. / 21, 4. / 21, 1. / 21}, odds.Chances, 1e-6)
		require.InDelta(t, 16./21, top, 1e-6)
		seen[id]++
	}
	require.InDelta(t, 10_000*16./21, seen[7], 250)
	require.InDelta(t, 10_000*1./21, seen[9], 120)

	p = Params{Penalty: 3, PenaltyLast: -1} // greedy
	s, err = NewProposer(p)
	require.NoError(t, err)
	id, odds, top, err := s.Propose(Candidates{IDs: []int32{7, 3, 9}, Logits: []float32{2, 1, -1}}, []int32{9, 7, 7})
	require.NoError(t, err)
	require.Equal(t, int32(3), id)
	require.Zero(t, odds)
	require.InDelta(t, 0.5767, top, 1e-3, "e to 1 over e to 1, 2/3 and -3")
	p = Params{Bias: map[int32]float64{7: math.Inf(-1), 3: math.Inf(-1), 9: 1}}
	s, err = NewProposer(p)
	require.NoError(t, err)
	id, _, top, err = s.Propose(few, nil)
	require.NoError(t, err)
	require.Equal(t, int32(9), id, "the others are banned")
	require.Equal(t, 1.0, top)
	_, _, _, err = s.Propose(Candidates{IDs: []int32{7, 3}, Logits: []float32{2, 1}}, nil)
	require.NoError(t, err, "all banned: then one is proposed in vain")
	_, _, _, err = s.Propose(Candidates{IDs: []int32{7, 3}, Logits: []float32{1, 2}}, nil)
	require.ErrorContains(t, err, "out of order")
	_, _, _, err = s.Propose(Candidates{IDs: []int32{7}, Logits: []float32{nan}}, nil)
	require.ErrorContains(t, err, "NaN")

	a, err := New(Neutral())
	require.NoError(t, err)
	b, err := NewProposer(Neutral())
	require.NoError(t, err)
	require.NotEqual(t, a.random.Uint64(), b.random.Uint64(), "proposals have random numbers of their own")
}

// TestVerifyMirostat: what depends on earlier draws cannot be verified.
func TestVerifyMirostat(t *testing.T) {
	p := Neutral()
	p.Mirostat.Surprise = 3
	_, _, err := sampler(t, p).Verify(Candidates{Logits: logs(0.5, 0.5)}, nil, 0, Odds{})
	require.ErrorContains(t, err, "mirostat")
}

package scheduler

import (
	"math"
	"slices"
)

// MaxLogProbs is the most that Request.LogProbs may ask for.
const MaxLogProbs = 32

// TokenLogProb is how likely the model itself found a chosen token, before penalties, filters and temperature, and which it found likeliest.
type TokenLogProb struct {
	ID      int32
	LogProb float64 // natural
	// Top are the likeliest, the first first, Request.LogProbs-1 of them.
	Top []TokenProb
}

// TokenProb is a token and the natural logarithm of its probability.
type TokenProb struct {
	ID      int32
	LogProb float64
}

// logProbsOf describes a token that was chosen by logits, with the n likeliest.
func logProbsOf(logits []float32, id int32, n int) TokenLogProb {
	t := TokenLogProb{ID: id, LogProb: logProb(logits, id)}
	for i, l := range logits {
		if len(t.Top) == n && (n == 0 || float64(l) <= t.Top[n-1].LogProb) {
			continue
		}
		at, _ := slices.BinarySearchFunc(t.Top, float64(l), func(p TokenProb, l float64) int {
			if p.LogProb >= l { // equal ones: the smaller id first
				return -1
			}
			return 1
		})
		if len(t.Top) == n {
			t.Top = t.Top[:n-1]
		}
		t.Top = slices.Insert(t.Top, at, TokenProb{int32(i), float64(l)})
	}
	shift := float64(logits[id]) - t.LogProb // the logarithm of the sum
	for i := range t.Top {
		if !math.IsInf(t.Top[i].LogProb, 1) {
			t.Top[i].LogProb -= shift
		} else {
			t.Top[i].LogProb = logProb(logits, t.Top[i].ID)
		}
	}
	return t
}

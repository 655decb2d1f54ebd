// Package sample chooses the next token of a sequence from the logits of its last row: repetition penalty, top-k,
// top-p, min-p and temperature, in that order, then one draw. It does no I/O and knows nothing of devices or batches.
//
// The order is that of the default chain of llama.cpp (common/common.h, common_params_sampling.samplers, which has
// other samplers between these that are off by default): filters see probabilities before temperature.
package sample

import (
	"fmt"
	"math"
)

// Params says how a sequence's tokens are chosen. The zero value is greedy: the token with the largest logit. To
// sample, start from Neutral and set what should differ. Penalty and filters apply when greedy too, where only the
// penalty can change the choice.
type Params struct {
	// Temperature divides the logits before the draw; 0 takes the largest without a draw. Range [0, inf).
	Temperature float64
	// TopK keeps the k largest logits; 0 keeps all.
	TopK int
	// TopP keeps the fewest largest probabilities whose sum reaches p; 1 keeps all, 0 keeps the largest alone.
	// Range [0, 1]. Nucleus sampling: Holtzman et al. 2019, arXiv 1904.09751.
	TopP float64
	// MinP keeps probabilities of at least p times the largest; 0 keeps all. Range [0, 1].
	// Nguyen et al. 2024, arXiv 2407.01082.
	MinP float64
	// Penalty weakens tokens that occur among the last PenaltyLast: a positive logit is divided by it, another
	// multiplied, once per token however often it occurs. 1, or the zero value 0, turns it off; below 1 it
	// strengthens. Range [0, inf). Keskar et al. 2019, arXiv 1909.05858, with llama.cpp's rule for negative logits.
	Penalty float64
	// PenaltyLast is how many of the latest tokens, prompt included, Penalty looks at; 0 is none, -1 is all.
	PenaltyLast int
	// Seed starts the random sequence: same seed, same logits, same tokens.
	Seed uint64
}

// Neutral returns parameters that sample from the model's own distribution: temperature 1, nothing cut off.
func Neutral() Params { return Params{Temperature: 1, TopP: 1, Penalty: 1} }

// Validate returns an error that names the first value out of range, with the range.
func (p Params) Validate() error {
	for _, v := range []struct {
		name string
		x    float64
		max  float64
		want string
	}{
		{"temperature", p.Temperature, math.MaxFloat64, "want 0 (greedy) or more"},
		{"top-p", p.TopP, 1, "want 0 to 1 (1 turns it off)"},
		{"min-p", p.MinP, 1, "want 0 to 1 (0 turns it off)"},
		{"repetition penalty", p.Penalty, math.MaxFloat64, "want more than 0 (1 turns it off)"},
	} {
		if !(v.x >= 0 && v.x <= v.max) { // so that NaN fails too
			return fmt.Errorf("sample: %s %v is out of range: %s", v.name, v.x, v.want)
		}
	}
	if p.TopK < 0 {
		return fmt.Errorf("sample: top-k %d is out of range: want 0 (all) or more", p.TopK)
	}
	if p.PenaltyLast < -1 {
		return fmt.Errorf("sample: penalty window %d is out of range: want -1 (all), 0 (none) or more", p.PenaltyLast)
	}
	return nil
}

// Greedy reports whether the token with the largest logit is taken, without a draw.
func (p Params) Greedy() bool { return p.Temperature == 0 }

// Penalises reports whether the choice depends on the tokens that came before.
func (p Params) Penalises() bool { return p.Penalty != 0 && p.Penalty != 1 && p.PenaltyLast != 0 }

// Largest returns how many of the largest logits the parameters need, limit at most; 0 means all of the vocabulary.
func (p Params) Largest(limit int) int {
	switch {
	case p.Penalises():
		return 0
	case p.Greedy():
		return 1
	case p.TopK <= limit:
		return p.TopK
	}
	return 0
}

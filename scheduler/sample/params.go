// Package sample chooses the next token of a sequence from the logits of its last row: logit bias, then the steps of Params.Order
// (penalties, DRY, filters, temperature), then one draw. It does no I/O and knows nothing of devices, batches or text.
//
// The default order is that of the default chain of llama.cpp (common/common.h, common_params_sampling.samplers), in which
// filters see probabilities before temperature.
package sample

// Params says how a sequence's tokens are chosen. The zero value is greedy: the token with the largest logit. To
// sample, start from Neutral and set what should differ. Bias, penalties and DRY apply when greedy too; filters
// then have no say. A slice or map is shared by copies and must not be written to.
type Params struct {
	// Temperature divides the logits before the draw; 0 takes the largest without a draw. Range [0, inf).
	Temperature float64
	// DynamicRange, above 0, has the temperature follow the entropy H of the candidates left, from Temperature-DynamicRange (0 at least)
	// where one is sure to Temperature+DynamicRange where all are equal: low + (high-low)·(H/log n)^DynamicExponent. Exponent 0 is 1.
	// As in koboldcpp and llama.cpp (dynatemp). Range [0, inf).
	DynamicRange, DynamicExponent float64
	// TopK keeps the k largest logits; 0 keeps all.
	TopK int
	// TopP keeps the fewest largest probabilities whose sum reaches p; 1 keeps all, 0 keeps the largest alone.
	// Range [0, 1]. Nucleus sampling: Holtzman et al. 2019, arXiv 1904.09751.
	TopP float64
	// MinP keeps probabilities of at least p times the largest; 0 keeps all. Range [0, 1].
	// Nguyen et al. 2024, arXiv 2407.01082.
	MinP float64
	// Typical keeps the fewest tokens whose probabilities reach p, those first whose surprise is closest to the entropy; 0 and 1 keep
	// all. Range [0, 1]. Locally typical sampling: Meister et al. 2022, arXiv 2202.00666.
	Typical float64
	// TopNSigma keeps logits within n standard deviations (of all finite logits) of the largest; 0 keeps all. Range [0, inf).
	// Tang et al. 2024, arXiv 2411.07641.
	TopNSigma float64
	// XTC leaves likely tokens out now and then.
	XTC XTC
	// Penalty weakens tokens that occur among the last PenaltyLast: a positive logit is divided by it, another
	// multiplied, once per token however often it occurs. 1, or the zero value 0, turns it off; below 1 it
	// strengthens. Range [0, inf). Keskar et al. 2019, arXiv 1909.05858, with llama.cpp's rule for negative logits.
	Penalty float64
	// Frequency is taken off a token's logit for each time it occurs among the last PenaltyLast, Presence once if it
	// does at all; below 0 they strengthen. As in OpenAI's API.
	Frequency, Presence float64
	// PenaltyLast is how many of the latest tokens, prompt included, Penalty, Frequency and Presence look at; 0 is none, -1 is all.
	PenaltyLast int
	// DRY weakens tokens that would go on with a repetition.
	DRY DRY
	// Mirostat takes the place of all filters.
	Mirostat Mirostat
	// Bias is added to the logits of tokens, before anything else; -Inf bans one. Ids outside of the vocabulary are ignored.
	Bias map[int32]float64
	// Order is what happens to the logits, first to last, each step once at most; what is not listed does not happen. Nil is
	// DefaultOrder.
	Order []Step
	// Seed starts the random sequence: same seed, same logits, same tokens.
	Seed uint64
}

// XTC leaves out the likely: with Probability (0 turns it off), all tokens with a probability of at least Threshold are left out
// but the least likely of these, where there are two or more. Both in [0, 1]; above 0.5 there never are two. By its author p-e-w
// (text-generation-webui, pull request 6335).
type XTC struct{ Probability, Threshold float64 }

// DRY takes Multiplier·Base^(n-Allowed) off the logit of a token that would make the latest n tokens, n at least Allowed, and itself
// a repetition of an earlier passage. Multiplier 0 turns it off. Last is how far back it looks, -1 being all and
// 0 none; no repetition reaches over a token among Breakers. By its author p-e-w (text-generation-webui, pull request 5677).
type DRY struct {
	Multiplier, Base float64
	Allowed, Last    int
	Breakers         []int32
}

// Mirostat is version 2: it cuts off what is more surprising than a bound, in bits, which moves by Rate after each token so that
// tokens surprise by Surprise on the average. Surprise 0 turns it off; Rate 0 is 0.1. Basu et al. 2021, arXiv 2007.14966.
type Mirostat struct{ Surprise, Rate float64 }

// Neutral returns parameters that sample from the model's own distribution: temperature 1, nothing cut off.
func Neutral() Params { return Params{Temperature: 1, TopP: 1, Penalty: 1} }

// Greedy reports whether the token with the largest logit is taken, without a draw.
func (p Params) Greedy() bool { return p.Temperature == 0 }

// Penalises reports whether the choice depends on the tokens that came before.
func (p Params) Penalises() bool {
	return p.has(Penalties) && p.penalises() || p.has(Dry) && p.DRY.on()
}

// Adapts reports whether the distribution depends on how earlier tokens were drawn, as Mirostat's does: then there is none that
// could be had beforehand.
func (p Params) Adapts() bool { return p.Mirostat.on() && !p.Greedy() }

// Largest returns how many of the largest logits the parameters need, limit at most; 0 means all of the vocabulary.
func (p Params) Largest(limit int) int {
	switch {
	case p.Penalises() || len(p.Bias) > 0:
		return 0
	case p.Greedy():
		return 1
	case p.TopK > limit || p.Adapts():
		return 0
	}
	for _, s := range p.order() {
		switch {
		case s == TopK:
			return p.TopK
		case s == Temperature && p.DynamicRange == 0, s == MinP, !p.active(s):
			continue // the same for the largest alone as for all
		}
		return 0
	}
	return 0
}

// penalises reports whether the step Penalties changes anything.
func (p Params) penalises() bool {
	return p.PenaltyLast != 0 && (p.repeats() || p.Frequency != 0 || p.Presence != 0)
}

func (p Params) repeats() bool { return p.Penalty != 0 && p.Penalty != 1 }

func (d DRY) on() bool { return d.Multiplier != 0 && d.Last != 0 }

func (m Mirostat) on() bool { return m.Surprise > 0 }

func (m Mirostat) rate() float64 {
	if m.Rate == 0 {
		return 0.1
	}
	return m.Rate
}

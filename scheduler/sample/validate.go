package sample

import (
	"fmt"
	"math"
)

// Validate returns an error that names the first value out of range, with the range.
func (p Params) Validate() error {
	for _, v := range []struct {
		name     string
		x        float64
		min, max float64
		want     string
	}{
		{"temperature", p.Temperature, 0, math.MaxFloat64, "want 0 (greedy) or more"},
		{"top-p", p.TopP, 0, 1, "want 0 to 1 (1 turns it off)"},
		{"min-p", p.MinP, 0, 1, "want 0 to 1 (0 turns it off)"},
		{"repetition penalty", p.Penalty, 0, math.MaxFloat64, "want more than 0 (1 turns it off)"},
		{"frequency penalty", p.Frequency, -math.MaxFloat64, math.MaxFloat64, "want a number (0 turns it off)"},
		{"presence penalty", p.Presence, -math.MaxFloat64, math.MaxFloat64, "want a number (0 turns it off)"},
		{"typical-p", p.Typical, 0, 1, "want 0 to 1 (1 turns it off)"},
		{"top-n-sigma", p.TopNSigma, 0, math.MaxFloat64, "want 0 (off) or more"},
		{"dynamic temperature range", p.DynamicRange, 0, math.MaxFloat64, "want 0 (off) or more"},
		{"dynamic temperature exponent", p.DynamicExponent, 0, math.MaxFloat64, "want 0 (which is 1) or more"},
		{"XTC probability", p.XTC.Probability, 0, 1, "want 0 to 1 (0 turns it off)"},
		{"XTC threshold", p.XTC.Threshold, 0, 1, "want 0 to 1 (above 0.5 turns it off)"},
		{"DRY multiplier", p.DRY.Multiplier, 0, math.MaxFloat64, "want 0 (off) or more"},
		{"mirostat surprise", p.Mirostat.Surprise, 0, math.MaxFloat64, "want 0 (off) or more"},
		{"mirostat rate", p.Mirostat.Rate, 0, math.MaxFloat64, "want 0 (which is 0.1) or more"},
	} {
		if !(v.x >= v.min && v.x <= v.max) { // so that NaN fails too
			return fmt.Errorf("sample: %s %v is out of range: %s", v.name, v.x, v.want)
		}
	}
	for _, v := range []struct {
		name string
		n    int
		min  int
		want string
	}{
		{"top-k", p.TopK, 0, "want 0 (all) or more"},
		{"penalty window", p.PenaltyLast, -1, "want -1 (all), 0 (none) or more"},
		{"DRY window", p.DRY.Last, -1, "want -1 (all), 0 (none) or more"},
		{"DRY allowed length", p.DRY.Allowed, 0, "want 0 or more"},
	} {
		if v.n < v.min {
			return fmt.Errorf("sample: %s %d is out of range: %s", v.name, v.n, v.want)
		}
	}
	if d := p.DRY; d.on() && !(d.Base >= 1 && d.Base <= math.MaxFloat64) {
		return fmt.Errorf("sample: DRY base %v is out of range: want 1 or more", d.Base)
	}
	for id, b := range p.Bias {
		if math.IsNaN(b) || math.IsInf(b, 1) {
			return fmt.Errorf("sample: the bias of token %d is %v: want a number, or -Inf to ban it", id, b)
		}
	}
	if p.Adapts() {
		for _, s := range []Step{TopNSigma, TopK, Typical, TopP, MinP, Xtc} {
			if p.has(s) && p.active(s) {
				return fmt.Errorf("sample: mirostat chooses what is cut off, and so does %s; turn one of them off", s)
			}
		}
	}
	return validateOrder(p.Order)
}

package main

import (
	"fmt"
	"math/rand/v2"

	"umbra/scheduler/sample"
)

// samplingFlags say how tokens are chosen.
type samplingFlags struct {
	Temperature   *float64 `placeholder:"T" help:"Draw tokens: near 0 the likeliest, 1 as the model has it, above 1 more evenly. Default: 0, which takes the likeliest each time."`
	TopK          int      `placeholder:"K" help:"Draw from the K likeliest tokens only."`
	TopP          *float64 `placeholder:"P" help:"Draw from the fewest tokens whose probabilities reach P."`
	MinP          float64  `placeholder:"P" help:"Draw from tokens at least P times as likely as the likeliest."`
	RepeatPenalty float64  `placeholder:"X" default:"1" help:"Weaken tokens that occurred lately: above 1 by more (1 is off)."`
	RepeatLast    int      `placeholder:"N" default:"64" help:"How many of the latest tokens --repeat-penalty looks at; =-1 for all (${default})."`
	Seed          *uint64  `placeholder:"N" help:"Start of the random sequence: same seed, same text. Default: another one each time, named in the last line. The i-th of --prompts takes N + i - 1."`
}

// params are the sampler's parameters, checked. The seed is drawn if it is needed and was not given, and kept.
func (s *samplingFlags) params() (sample.Params, error) {
	p := sample.Params{TopK: s.TopK, TopP: 1, MinP: s.MinP, Penalty: s.RepeatPenalty}
	if s.Temperature != nil {
		p.Temperature = *s.Temperature
	}
	if s.TopP != nil {
		p.TopP = *s.TopP
	}
	if p.Penalty != 1 {
		p.PenaltyLast = s.RepeatLast
	}
	if err := p.Validate(); err != nil {
		return p, err
	}
	if s.Temperature == nil && (s.TopK != 0 || s.TopP != nil || s.MinP != 0 || s.Seed != nil) {
		return p, fmt.Errorf("--top-k, --top-p, --min-p and --seed change nothing while the likeliest token is taken; add --temperature, say 0.8")
	}
	if p.Temperature > 0 && s.Seed == nil {
		seed := rand.Uint64N(1 << 32) // short enough to type
		s.Seed = &seed
	}
	if s.Seed != nil {
		p.Seed = *s.Seed
	}
	return p, nil
}

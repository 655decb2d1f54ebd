package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"umbra"
	"umbra/model/tokenizer"
	"umbra/scheduler/sample"
)

// samplingFlags say how tokens are chosen.
type samplingFlags struct {
	Temperature   *float64 `placeholder:"T" help:"Draw tokens: near 0 the likeliest, 1 as the model has it, above 1 more evenly. Default: 0, which takes the likeliest each time."`
	TopK          int      `placeholder:"K" help:"Draw from the K likeliest tokens only."`
	TopP          *float64 `placeholder:"P" help:"Draw from the fewest tokens whose probabilities reach P."`
	MinP          float64  `placeholder:"P" help:"Draw from tokens at least P times as likely as the likeliest."`
	RepeatPenalty float64  `placeholder:"X" default:"1" help:"Weaken tokens that occurred lately: above 1 by more (1 is off)."`
	RepeatLast    int      `placeholder:"N" default:"64" help:"How many of the latest tokens --repeat-penalty, --frequency-penalty and --presence-penalty look at; =-1 for all (${default})."`
	Seed          *uint64  `placeholder:"N" help:"Start of the random sequence: same seed, same text. Default: another one each time, named in the last line. The i-th of --prompts takes N + i - 1."`

	FrequencyPenalty float64           `group:"More about drawing" placeholder:"X" help:"Weaken a token by this for each time it occurred lately."`
	PresencePenalty  float64           `group:"More about drawing" placeholder:"X" help:"Weaken tokens that occurred lately by this, however often."`
	LogitBias        map[int32]float64 `group:"More about drawing" mapsep:"," placeholder:"ID=X" help:"Add X to the logit of a token, -inf to ban it; may be repeated. umbra tokenize has ids."`
	DryMultiplier    float64           `group:"More about drawing" placeholder:"X" help:"Weaken tokens that would go on with a repetition (DRY), by X * --dry-base ^ (its length - --dry-allowed)."`
	DryBase          float64           `group:"More about drawing" placeholder:"X" default:"1.75" help:"Of --dry-multiplier (${default})."`
	DryAllowed       int               `group:"More about drawing" placeholder:"N" default:"2" help:"Of --dry-multiplier: shorter repetitions are let be (${default})."`
	DryLast          int               `group:"More about drawing" placeholder:"N" default:"-1" help:"Of --dry-multiplier: how many of the latest tokens it looks at, -1 for all (${default})."`
	DryBreaker       []string          `group:"More about drawing" sep:"none" placeholder:"TEXT" help:"Of --dry-multiplier: no repetition reaches over a token with this text; may be repeated. Default: line ends, colons, quotes and asterisks."`
	TopNSigma        float64           `group:"More about drawing" name:"top-n-sigma" placeholder:"N" help:"Draw from tokens whose logit is within N standard deviations of the largest."`
	Typical          float64           `group:"More about drawing" placeholder:"P" help:"Draw from the fewest tokens that reach P, those first that surprise as much as the average (locally typical)."`
	XtcProbability   float64           `group:"More about drawing" placeholder:"P" help:"With this probability leave out the likeliest tokens (XTC): all of at least --xtc-threshold but the last of them."`
	XtcThreshold     float64           `group:"More about drawing" placeholder:"P" default:"0.1" help:"Of --xtc-probability (${default})."`
	DynatempRange    float64           `group:"More about drawing" placeholder:"T" help:"Have the temperature follow how sure the model is, from T below --temperature to T above it."`
	DynatempExponent float64           `group:"More about drawing" placeholder:"X" default:"1" help:"Of --dynatemp-range: how (${default})."`
	Mirostat         float64           `group:"More about drawing" placeholder:"BITS" help:"Have tokens surprise by so many bits on the average (mirostat 2), instead of --top-k and the like; 5, say."`
	MirostatRate     float64           `group:"More about drawing" placeholder:"X" default:"0.1" help:"Of --mirostat: how fast it learns (${default})."`
	Samplers         string            `group:"More about drawing" placeholder:"NAMES" help:"What happens in which order, and nothing else. Default: ${samplers}."`
}

// params are the sampler's parameters, checked, without what takes a tokenizer. The seed is drawn if it is needed and was not given, and kept.
func (s *samplingFlags) params() (p sample.Params, err error) {
	p = sample.Params{TopK: s.TopK, TopP: 1, MinP: s.MinP, Penalty: s.RepeatPenalty, Frequency: s.FrequencyPenalty, Presence: s.PresencePenalty,
		Bias: s.LogitBias, TopNSigma: s.TopNSigma, Typical: s.Typical, XTC: sample.XTC{Probability: s.XtcProbability, Threshold: s.XtcThreshold},
		DynamicRange: s.DynatempRange, DynamicExponent: s.DynatempExponent, Mirostat: sample.Mirostat{Surprise: s.Mirostat, Rate: s.MirostatRate}}
	if s.Temperature != nil {
		p.Temperature = *s.Temperature
	}
	if s.TopP != nil {
		p.TopP = *s.TopP
	}
	if p.Penalty != 1 || p.Frequency != 0 || p.Presence != 0 {
		p.PenaltyLast = s.RepeatLast
	}
	if s.DryMultiplier != 0 {
		p.DRY = sample.DRY{Multiplier: s.DryMultiplier, Base: s.DryBase, Allowed: s.DryAllowed, Last: s.DryLast}
	}
	if s.Samplers != "" {
		if p.Order, err = sample.ParseOrder(s.Samplers); err != nil {
			return p, err
		}
	}
	if err := p.Validate(); err != nil {
		return p, err
	}
	if flags := s.drawing(); s.Temperature == nil && flags != nil {
		return p, fmt.Errorf("%s: no effect while the likeliest token is taken; add --temperature, say 0.8", strings.Join(flags, ", "))
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

// drawing lists the flags given that need a temperature.
func (s *samplingFlags) drawing() (flags []string) {
	for _, f := range []struct {
		name string
		is   bool
	}{{"--top-k", s.TopK != 0}, {"--top-p", s.TopP != nil}, {"--min-p", s.MinP != 0}, {"--seed", s.Seed != nil},
		{"--top-n-sigma", s.TopNSigma != 0}, {"--typical", s.Typical != 0}, {"--xtc-probability", s.XtcProbability != 0},
		{"--dynatemp-range", s.DynatempRange != 0}, {"--mirostat", s.Mirostat != 0}} {
		if f.is {
			flags = append(flags, f.name)
		}
	}
	return flags
}

// changes reports whether the likeliest token may not be the choice even without a temperature.
func (s *samplingFlags) changes() bool {
	return s.RepeatPenalty != 1 || s.FrequencyPenalty != 0 || s.PresencePenalty != 0 || s.DryMultiplier != 0 || len(s.LogitBias) > 0
}

// breakers fills in what takes a tokenizer.
func (s *samplingFlags) breakers(p *sample.Params, t *tokenizer.Tokenizer) {
	texts := s.DryBreaker
	if texts == nil {
		texts = umbra.DRYBreakers
	}
	if p.DRY.Multiplier != 0 {
		p.DRY.Breakers = t.Containing(texts)
	}
}

// orderText is the default order of what happens.
func orderText() string {
	var names []string
	for _, step := range sample.DefaultOrder() {
		names = append(names, string(step))
	}
	return strings.Join(names, ",")
}

package server

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"

	"umbra"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

// sampling are the fields by which requests say how tokens are chosen: OpenAI's, and llama.cpp's names for the rest.
type sampling struct {
	Temperature      *float64           `json:"temperature"`
	TopP             *float64           `json:"top_p"`
	FrequencyPenalty float64            `json:"frequency_penalty"`
	PresencePenalty  float64            `json:"presence_penalty"`
	LogitBias        map[string]float64 `json:"logit_bias"`
	Seed             *int64             `json:"seed"`
	Stop             oneOrMore[string]  `json:"stop"`
	N                int                `json:"n"`

	TopK             int      `json:"top_k"`
	MinP             float64  `json:"min_p"`
	TypicalP         float64  `json:"typical_p"`
	TopNSigma        float64  `json:"top_n_sigma"`
	RepeatPenalty    float64  `json:"repeat_penalty"`
	RepeatLastN      *int     `json:"repeat_last_n"`
	DryMultiplier    float64  `json:"dry_multiplier"`
	DryBase          *float64 `json:"dry_base"`
	DryAllowedLength *int     `json:"dry_allowed_length"`
	DryPenaltyLastN  *int     `json:"dry_penalty_last_n"`
	DryBreakers      []string `json:"dry_sequence_breakers"`
	XTCProbability   float64  `json:"xtc_probability"`
	XTCThreshold     *float64 `json:"xtc_threshold"`
	DynatempRange    float64  `json:"dynatemp_range"`
	DynatempExponent float64  `json:"dynatemp_exponent"`
	Mirostat         int      `json:"mirostat"`
	MirostatTau      *float64 `json:"mirostat_tau"`
	MirostatEta      float64  `json:"mirostat_eta"`
	Samplers         []string `json:"samplers"`
	IgnoreEOS        bool     `json:"ignore_eos"`
	Priority         int      `json:"priority"`
	ResponseFormat   *format  `json:"response_format"`
	Grammar          string   `json:"grammar"`
	JSONSchema       schema   `json:"json_schema"`
}

// format is OpenAI's response_format.
type format struct {
	Type       string       `json:"type"`
	JSONSchema *namedSchema `json:"json_schema"`
}

// namedSchema is a schema with a name, for models that are told of it; answers are held to all schemas, strict or not.
type namedSchema struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Schema      schema `json:"schema"`
	Strict      bool   `json:"strict"`
}

// schema is a JSON schema as it is written; "" where there is none.
type schema string

// UnmarshalJSON keeps the text.
func (s *schema) UnmarshalJSON(data []byte) error {
	if string(data) != "null" {
		*s = schema(data)
	}
	return nil
}

// form is the schema that an answer is held to by response_format or json_schema; "" if by neither.
func (f sampling) form() (string, error) {
	r := f.ResponseFormat
	plain := r == nil || r.Type == "" || r.Type == "text"
	switch {
	case plain && f.JSONSchema != "" && f.Grammar != "":
		return "", invalid("grammar", "grammar and json_schema exclude each other")
	case plain:
		return string(f.JSONSchema), nil
	case f.JSONSchema != "" || f.Grammar != "":
		return "", invalid("response_format", "response_format and grammar or json_schema exclude each other")
	case r.Type == "json_object":
		return `{"type": "object"}`, nil
	case r.Type != "json_schema":
		return "", invalid("response_format", "response_format %q is not supported, but text, json_object and json_schema", r.Type)
	case r.JSONSchema == nil || r.JSONSchema.Schema == "":
		return "", invalid("response_format", "response_format json_schema has no schema")
	default:
		return string(r.JSONSchema.Schema), nil
	}
}

// oneOrMore reads one value, or an array of them.
type oneOrMore[T any] []T

// UnmarshalJSON reads either.
func (o *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if data[0] == '[' {
		return json.Unmarshal(data, (*[]T)(o))
	}
	*o = make([]T, 1)
	return json.Unmarshal(data, &(*o)[0])
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// request makes the engine's request of the fields, without a prompt.
func (s *Server) request(f sampling) (r umbra.Request, err error) {
	p := sample.Params{Temperature: or(f.Temperature, 1), TopP: or(f.TopP, 1), TopK: f.TopK, MinP: f.MinP, Typical: f.TypicalP, TopNSigma: f.TopNSigma,
		Penalty: f.RepeatPenalty, Frequency: f.FrequencyPenalty, Presence: f.PresencePenalty, PenaltyLast: or(f.RepeatLastN, -1),
		DynamicRange: f.DynatempRange, DynamicExponent: f.DynatempExponent, XTC: sample.XTC{Probability: f.XTCProbability, Threshold: or(f.XTCThreshold, 0.1)}}
	switch f.Mirostat {
	case 0:
	case 2:
		p.Mirostat = sample.Mirostat{Surprise: or(f.MirostatTau, 5), Rate: f.MirostatEta}
	default:
		return r, invalid("mirostat", "mirostat %d is not supported, but 0 (off) and 2", f.Mirostat)
	}
	if f.DryMultiplier != 0 {
		breakers := f.DryBreakers
		if breakers == nil {
			breakers = umbra.DRYBreakers
		}
		p.DRY = sample.DRY{Multiplier: f.DryMultiplier, Base: or(f.DryBase, 1.75), Allowed: or(f.DryAllowedLength, 2), Last: or(f.DryPenaltyLastN, -1),
			Breakers: s.engine.Tokenizer().Containing(breakers)}
	}
	for id, bias := range f.LogitBias {
		n, err := strconv.ParseInt(id, 10, 32)
		if err != nil || n < 0 || int(n) >= s.engine.Tokenizer().Size() {
			return r, invalid("logit_bias", "logit_bias: %q is no token of the vocabulary of %d", id, s.engine.Tokenizer().Size())
		}
		if p.Bias == nil {
			p.Bias = map[int32]float64{}
		}
		p.Bias[int32(n)] = bias
	}
	for _, name := range f.Samplers {
		p.Order = append(p.Order, sample.Step(name))
	}
	if f.Seed != nil {
		p.Seed = uint64(*f.Seed)
	} else {
		p.Seed = rand.Uint64()
	}
	if err := p.Validate(); err != nil {
		return r, invalid("", "%v", err)
	}
	form, err := f.form()
	if err != nil {
		return r, err
	}
	if f.N < 0 || f.N > s.limits.sequences {
		return r, invalid("n", "n is %d; at most %d sequences run at once", f.N, s.limits.sequences)
	}
	for _, stop := range f.Stop {
		if stop == "" {
			return r, invalid("stop", "a stop text is empty")
		}
	}
	return umbra.Request{Sampling: p, Stop: f.Stop, N: f.N, IgnoreEnd: f.IgnoreEOS, Priority: f.Priority, Grammar: f.Grammar, JSONSchema: form}, nil
}

// usage is what a request took, as OpenAI's API has it.
type usage struct {
	Prompt     int           `json:"prompt_tokens"`
	Completion int           `json:"completion_tokens"`
	Total      int           `json:"total_tokens"`
	Details    promptDetails `json:"prompt_tokens_details"`
}

type promptDetails struct {
	Cached int `json:"cached_tokens"`
}

func (u *usage) add(r umbra.Result) {
	u.Prompt += r.Usage.Prompt
	u.Details.Cached += r.Usage.Cached
	for _, a := range r.Answers {
		u.Completion += a.Usage.Generated
	}
	u.Total = u.Prompt + u.Completion
}

// finish is an end's name.
func finish(r scheduler.Reason) string {
	switch r {
	case scheduler.StopToken, scheduler.StopString, scheduler.Complete:
		return "stop"
	case scheduler.Length, scheduler.ContextFull:
		return "length"
	}
	return "error"
}

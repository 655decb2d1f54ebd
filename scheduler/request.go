package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"umbra/scheduler/beam"
	"umbra/scheduler/grammar"
	"umbra/scheduler/sample"
)

// Request asks for the continuation of a prompt. Add copies what it keeps.
type Request struct {
	// Prompt holds the token ids to continue; at least one.
	Prompt []int32
	// MaxTokens ends the sequence after so many generated tokens; 0 or less: not before the context is full.
	MaxTokens int
	// N is how many answers are made of the prompt, each with an end of its own; 0 is 1. The prompt is computed once.
	N int
	// BestOf, where it is above N, makes so many answers and reports the N with the largest Event.LogProb, each in one
	// event, when all have ended; Event.Answer is then their rank. 0 is N. The model gives back all logits for it.
	BestOf int
	// Beams, where it is above 0, searches for likely answers instead of drawing any: so many beginnings are kept at each
	// token, those with the largest sum of log-probabilities (package beam), and the best N by Event.Score are reported when
	// the search has ended, best first. Beams share the blocks of what they have in common. It goes without BestOf, Stop and
	// sampling. The model gives back all logits for it.
	Beams int
	// LengthPenalty of a beam search divides a sum of log-probabilities by the length to this power: above 0 longer answers
	// score better than they would, below 0 worse.
	LengthPenalty float64
	// EarlyStopping ends a beam search when so many answers as there are beams have ended. Without it, it goes on until none
	// can get better.
	EarlyStopping bool
	// Priority orders requests where Config.Policy is Priority, the higher before the lower.
	Priority int
	// Sampling says how tokens are chosen; the zero value is greedy. Answer i has Seed+i, so that it is what a request
	// for one with that seed gives.
	Sampling sample.Params
	// LogProbs, where it is above 0, has Event.LogProbs tell of each token how likely it was, with the LogProbs-1 likeliest; at most
	// MaxLogProbs. The model gives back all logits for it.
	LogProbs int
	// Stop ends the sequence where its generated text first contains one of these; the text before it is the last.
	Stop []string
	// Grammar, unless it is nil, is what each answer is held to, made for the vocabulary: only tokens that fit are chosen, a stop token only where the
	// answer may end, and an answer that nothing can follow ends as Complete. All else is as without it, log-probabilities included. It goes without
	// Beams. The model gives back all logits for it.
	Grammar *grammar.Grammar
	// StopTokens ends the sequence when one of these is generated (a model's end-of-generation ids).
	StopTokens []int32
}

// Add queues a request and returns the id its events will have; ids ascend. It refuses at once, changing nothing, what
// could never run to its end: the error says what is too much and what would do.
func (s *Scheduler) Add(r Request) (uint64, error) {
	if err := s.refuse(r); err != nil {
		return 0, err
	}
	r.Sampling.TopK = min(r.Sampling.TopK, s.config.Vocabulary) // the same set, and what a WantTop row can give
	g := &group{id: s.lastID + 1, answers: r.answers(), n: max(1, r.N)}
	g.live, g.apart = g.answers, g.answers == 1
	if s.config.Policy == Priority {
		g.priority = r.Priority
	}
	seed := r.Sampling.Seed
	scored := g.n < g.answers || r.Beams > 0
	want, top := wants(r.Sampling, scored || r.LogProbs > 0 || r.Grammar != nil)
	for i := range g.answers {
		r.Sampling.Seed = seed + uint64(i)
		sampler, err := sample.New(r.Sampling)
		if err != nil {
			return 0, fmt.Errorf("scheduler: %w", err)
		}
		g.members = append(g.members, &sequence{
			id:         g.id,
			group:      g,
			answer:     i,
			tokens:     slices.Clone(r.Prompt),
			prompt:     len(r.Prompt),
			limit:      s.longest(len(r.Prompt), g.answers),
			table:      s.blocks.Table(),
			want:       want,
			top:        top,
			sampler:    sampler,
			maxTokens:  max(0, r.MaxTokens),
			stopTokens: slices.Clone(r.StopTokens),
			stop:       newStopper(r.Stop),
			scored:     scored,
			logProbs:   r.LogProbs,
			held:       s.hold(r),
		})
	}
	if r.Beams > 0 {
		g.beams = &beams{
			search: beam.New(r.beams(), s.longestAnswer(g.members[0]), r.StopTokens),
			logits: make([][]float32, r.Beams),
			ended:  map[int]hypothesis{},
		}
	}
	s.lastID++
	s.live[g.id] = g
	s.waiting = enqueue(s.waiting, g.members)
	return g.id, nil
}

// answers returns how many answers are made.
func (r Request) answers() int { return max(1, r.N, r.BestOf, r.Beams) }

// beams are the parameters of its beam search.
func (r Request) beams() beam.Params {
	return beam.Params{Width: r.Beams, LengthPenalty: r.LengthPenalty, EarlyStopping: r.EarlyStopping}
}

// longestAnswer returns how many tokens a new sequence can generate.
func (s *Scheduler) longestAnswer(q *sequence) int {
	n := q.limit - q.prompt
	if q.maxTokens > 0 {
		n = min(n, q.maxTokens)
	}
	return n
}

// longest returns how many tokens each of a request's answers can get to: the context, or what it can have of a whole
// cache and the token sampled from that. The answers share the full blocks of the prompt.
func (s *Scheduler) longest(prompt, answers int) int {
	size := s.config.BlockSize
	shared := prompt / size
	whole := shared + max(0, s.config.Blocks-shared)/answers
	if s.blocks.Windowed() || s.blocks.Lanes() > 1 {
		whole = max(shared, sort.Search(s.config.Context/size+1, func(n int) bool { return s.need(shared, answers, (n+1)*size) > s.config.Blocks }))
	}
	return min(s.config.Context, whole*size+1)
}

// need returns how many blocks answers of so many tokens take at most, which share the first blocks of each lane.
func (s *Scheduler) need(shared, answers, tokens int) int {
	if answers == 1 {
		return s.blocks.Need(tokens)
	}
	return s.blocks.NeedTogether(shared, slices.Repeat([]int{tokens}, answers)...)
}

// refuse says why a request can never run to its end, or nil.
func (s *Scheduler) refuse(r Request) error {
	c := s.config
	prompt := len(r.Prompt)
	if prompt == 0 {
		return errors.New("scheduler: the prompt is empty; start with the model's beginning-of-sequence token")
	}
	if prompt+1 > c.Context {
		return fmt.Errorf("scheduler: a prompt of %d tokens leaves no room in a context of %d; shorten it to at most %d",
			prompt, c.Context, c.Context-1)
	}
	for i, id := range r.Prompt {
		if id < 0 || int(id) >= c.Vocabulary {
			return fmt.Errorf("scheduler: prompt token %d is id %d, not in the vocabulary of %d", i, id, c.Vocabulary)
		}
	}
	for _, id := range r.StopTokens {
		if id < 0 || int(id) >= c.Vocabulary {
			return fmt.Errorf("scheduler: stop token %d is not in the vocabulary of %d", id, c.Vocabulary)
		}
	}
	if slices.Contains(r.Stop, "") {
		return errors.New("scheduler: a stop string is empty; leave it out")
	}
	if r.LogProbs < 0 || r.LogProbs > MaxLogProbs || r.LogProbs > c.Vocabulary+1 || r.LogProbs > 0 && r.Beams > 0 {
		return fmt.Errorf("scheduler: %d log-probabilities a token are asked for, want 0 to %d, and none with beams", r.LogProbs, MaxLogProbs)
	}
	if r.Grammar != nil && r.Grammar.Vocabulary() != c.Vocabulary {
		return fmt.Errorf("scheduler: the grammar is for a vocabulary of %d, the model has %d", r.Grammar.Vocabulary(), c.Vocabulary)
	}
	if len(r.Stop) > 0 && c.Piece == nil {
		return errors.New("scheduler: stop strings need Config.Piece, which is nil")
	}
	if s.blocks.Need(prompt) > c.Blocks {
		return fmt.Errorf("scheduler: a prompt of %d tokens needs %d cache blocks of %d, there are %d; shorten it to at most %d, or give the cache more blocks",
			prompt, s.blocks.Need(prompt), c.BlockSize, c.Blocks, s.limit-1)
	}
	return s.refuseAnswers(r)
}

// refuseAnswers says why the answers to a prompt that fits can never all run to their end, or nil.
func (s *Scheduler) refuseAnswers(r Request) error {
	c, prompt, k := s.config, len(r.Prompt), r.answers()
	switch {
	case r.N < 0:
		return fmt.Errorf("scheduler: %d answers are asked for, want 1 or more", r.N)
	case r.Beams < 0:
		return fmt.Errorf("scheduler: %d beams are asked for, want 1 or more, or 0 for none", r.Beams)
	case r.Beams > 0:
		if err := s.refuseBeams(r); err != nil {
			return err
		}
	case r.BestOf != 0 && r.BestOf < max(1, r.N):
		return fmt.Errorf("scheduler: the best of %d answers are asked for, want at least the %d to report", r.BestOf, max(1, r.N))
	}
	switch {
	case k > c.MaxSequences:
		return fmt.Errorf("scheduler: %d answers are asked for; at most %d sequences run at once", k, c.MaxSequences)
	case k == 1 && r.MaxTokens <= 0:
		return nil
	}
	generated := max(1, min(r.MaxTokens, c.Context-prompt))
	shared, longest := prompt/c.BlockSize, s.longest(prompt, k)
	// The last token is sampled, never computed.
	need := s.need(shared, k, prompt+generated-1)
	switch {
	case need <= c.Blocks:
		return nil
	case k == 1:
		return fmt.Errorf("scheduler: a prompt of %d tokens and %d generated need %d cache blocks of %d, there are %d; ask for at most %d tokens, or give the cache more blocks",
			prompt, generated, need, c.BlockSize, c.Blocks, longest-prompt)
	case longest <= prompt:
		return fmt.Errorf("scheduler: a prompt of %d tokens and %d answers need %d cache blocks of %d, there are %d; ask for fewer answers, or give the cache more blocks",
			prompt, k, need, c.BlockSize, c.Blocks)
	}
	return fmt.Errorf("scheduler: a prompt of %d tokens and %d answers of %d need %d cache blocks of %d, there are %d; ask for at most %d tokens, for fewer answers, or give the cache more blocks",
		prompt, k, generated, need, c.BlockSize, c.Blocks, longest-prompt)
}

// refuseBeams says why a beam search cannot be, or nil.
func (s *Scheduler) refuseBeams(r Request) error {
	most := s.config.Vocabulary - len(r.StopTokens)
	switch {
	case r.N > r.Beams:
		return fmt.Errorf("scheduler: the best %d of %d beams are asked for; ask for fewer answers or more beams", r.N, r.Beams)
	case r.BestOf != 0:
		return fmt.Errorf("scheduler: the best of %d answers and %d beams are asked for; give one of them", r.BestOf, r.Beams)
	case !r.Sampling.Greedy() || r.Sampling.Penalises() || len(r.Sampling.Bias) > 0:
		return fmt.Errorf("scheduler: a beam search draws nothing, but temperature is %v and penalty %v; leave them out, and other penalties and biases", r.Sampling.Temperature, r.Sampling.Penalty)
	case r.Grammar != nil:
		return errors.New("scheduler: a beam search takes no grammar; leave out either")
	case len(r.Stop) > 0:
		return errors.New("scheduler: a beam search takes no stop strings; give stop tokens, or leave them out")
	case r.Beams > most:
		return fmt.Errorf("scheduler: %d beams are asked for, at most %d can differ in a token that is no stop token", r.Beams, most)
	}
	if err := r.beams().Validate(); err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	return nil
}

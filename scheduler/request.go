package scheduler

import (
	"errors"
	"fmt"
	"slices"

	"umbra/scheduler/sample"
)

// Request asks for the continuation of a prompt. Add copies what it keeps.
type Request struct {
	// Prompt holds the token ids to continue; at least one.
	Prompt []int32
	// MaxTokens ends the sequence after so many generated tokens; 0 or less: not before the context is full.
	MaxTokens int
	// Sampling says how tokens are chosen; the zero value is greedy.
	Sampling sample.Params
	// Stop ends the sequence where its generated text first contains one of these; the text before it is the last.
	Stop []string
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
	sampler, err := sample.New(r.Sampling)
	if err != nil {
		return 0, fmt.Errorf("scheduler: %w", err)
	}
	s.lastID++
	q := &sequence{
		id:         s.lastID,
		tokens:     slices.Clone(r.Prompt),
		prompt:     len(r.Prompt),
		limit:      s.limit,
		table:      s.blocks.Table(),
		params:     r.Sampling,
		sampler:    sampler,
		stopTokens: slices.Clone(r.StopTokens),
		stop:       newStopper(r.Stop),
	}
	if r.MaxTokens > 0 {
		q.maxTokens = r.MaxTokens
	}
	s.live[q.id] = q
	s.waiting = append(s.waiting, q)
	return q.id, nil
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
	if len(r.Stop) > 0 && c.Piece == nil {
		return errors.New("scheduler: stop strings need Config.Piece, which is nil")
	}
	if s.blocks.Need(prompt) > c.Blocks {
		return fmt.Errorf("scheduler: a prompt of %d tokens needs %d cache blocks of %d, there are %d; shorten it to at most %d, or give the cache more blocks",
			prompt, s.blocks.Need(prompt), c.BlockSize, c.Blocks, s.limit-1)
	}
	if r.MaxTokens > 0 {
		generated := min(r.MaxTokens, c.Context-prompt)
		// The last token is sampled, never computed.
		if need := s.blocks.Need(prompt + generated - 1); need > c.Blocks {
			return fmt.Errorf("scheduler: a prompt of %d tokens and %d generated need %d cache blocks of %d, there are %d; ask for at most %d tokens, or give the cache more blocks",
				prompt, generated, need, c.BlockSize, c.Blocks, s.limit-prompt)
		}
	}
	return nil
}

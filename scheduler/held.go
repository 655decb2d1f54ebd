package scheduler

import (
	"errors"
	"fmt"
	"slices"

	"umbra/scheduler/grammar"
)

// errNothingFits is why a sequence fails whose grammar its vocabulary cannot spell.
var errNothingFits = errors.New("no token of the vocabulary goes on as the grammar wants")

// held is a sequence's place in the grammar that it is held to. The tokens that it knows are what it follows from, so it outlasts a preemption.
type held struct {
	matcher grammar.Matcher
	room    *[]float32 // for logits, the scheduler's
}

// hold makes the holds of a request's sequence; nil without a grammar.
func (s *Scheduler) hold(r Request) *held {
	if r.Grammar == nil {
		return nil
	}
	return &held{r.Grammar.Start(), &s.masked}
}

// fits reports whether a token may come next.
func (q *sequence) fits(id int32) (bool, error) {
	if slices.Contains(q.stopTokens, id) {
		return q.held.matcher.MayEnd(), nil
	}
	return q.held.matcher.Allows(id)
}

// allowed are the logits, with -Inf for what may not come next. They are good until the next call for any sequence.
func (q *sequence) allowed(logits []float32) ([]float32, error) {
	mask, err := q.held.matcher.Mask()
	if err != nil {
		return nil, err
	}
	ends := q.held.matcher.MayEnd()
	if mask.Len() == 0 && (!ends || len(q.stopTokens) == 0) {
		return nil, errNothingFits
	}
	room := slices.Grow((*q.held.room)[:0], len(logits))[:len(logits)]
	*q.held.room = room
	mask.Apply(room, logits)
	if ends {
		for _, id := range q.stopTokens {
			room[id] = logits[id]
		}
	}
	return room, nil
}

// follow moves on by a token that was chosen.
func (q *sequence) follow(id int32) error {
	ok, err := q.held.matcher.Advance(id)
	if err == nil && !ok {
		err = fmt.Errorf("token %d does not fit the grammar", id)
	}
	return err
}

// cut leaves out of a proposal what the grammar forbids. A token that was drawn stays, as it has to be judged; those after it never are.
func (a *Ask) cut() {
	if a.Grammar == nil {
		return
	}
	p, m := &a.Proposal, *a.Grammar
	for i, id := range p.Tokens {
		if ok, err := m.Advance(id); ok && err == nil {
			continue
		}
		if !p.certain() {
			i++
		}
		p.Tokens = p.Tokens[:i]
		return
	}
}

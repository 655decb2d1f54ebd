package scheduler

import (
	"fmt"

	"umbra/scheduler/batch"
	"umbra/scheduler/sample"
)

// verify takes the outputs of a sequence's last token and of proposals: each output says which token comes next, and as long as
// that is the one proposed, the next output counts too. What was computed for other tokens is given back.
func (s *Scheduler) verify(events []Event, q share, out []batch.Output) []Event {
	if q.ended {
		return events
	}
	var e Event
	accepted := 0
	for i := range out {
		id, came, err := s.judge(q, i, out[i])
		if err != nil {
			e.Err = fmt.Errorf("scheduler: sequence %d: %w", q.id, err)
			return q.group.report(events, q.sequence, q.end(e, Failed)) // its cache may not hold numbers
		}
		got := q.accept(s.one(id), s.config.Piece)
		got.Tokens, got.Text, got.LogProbs = append(e.Tokens, got.Tokens...), append(e.Text, got.Text...), append(e.LogProbs, got.LogProbs...)
		if e = got; came {
			accepted++
		}
		if q.ended || !came {
			break
		}
	}
	q.computed += 1 + accepted
	q.reached = max(q.reached, q.computed)
	if !s.config.NoPrefixReuse {
		q.table.Seal(q.tokens[:min(q.computed, len(q.tokens))]) // a stop token is computed, and no token of it
	}
	q.table.Shrink(q.computed)
	q.table.Slide(q.computed)
	return q.group.report(events, q.sequence, e)
}

// judge says which token an output gives, and whether it is the i-th one proposed.
func (s *Scheduler) judge(q share, i int, out batch.Output) (id int32, came bool, err error) {
	p := q.proposal
	if i == len(p.Tokens) {
		id, err = q.choose(out, s.config.Vocabulary)
		return id, false, err
	}
	likeliest, err := q.takesLikeliest(out.Token)
	if err != nil {
		return 0, false, err
	}
	if likeliest {
		id, err = q.choose(out, s.config.Vocabulary)
		came = id == p.Tokens[i]
	} else {
		id, came, err = q.verify(out, s.config.Vocabulary, p, i)
	}
	if err == nil {
		s.pacer.Judged(q.rates, p.Classes[i], came)
		if came {
			s.counted.Speculated.Accepted[i]++
		}
	}
	return id, came, err
}

// verify decides about a proposed token as choose chooses one.
func (q *sequence) verify(out batch.Output, vocabulary int, p Proposal, i int) (id int32, came bool, err error) {
	c, err := q.candidates(out, vocabulary)
	if err != nil {
		return 0, false, err
	}
	var odds sample.Odds
	if p.Odds != nil {
		odds = p.Odds[i]
	}
	if id, came, err = q.sampler.Verify(c, q.tokens, p.Tokens[i], odds); err != nil {
		return 0, false, err
	}
	id, err = q.chosen(id, out, vocabulary)
	return id, came, err
}

package scheduler

import (
	"umbra/scheduler/ngram"
	"umbra/scheduler/pace"
)

// guess makes proposals from texts.
func (s *Scheduler) guess() {
	if s.pacer == nil || !s.config.Speculation.Text {
		return
	}
	for i, a := range s.Asks() {
		q := a.sequence
		if q.index == nil {
			q.index = &ngram.Index{}
		}
		q.index.Extend(q.tokens)
		p := &s.asks[i].Proposal
		tokens, agree := q.index.Guess(q.tokens, a.Most)
		if tokens == nil {
			s.guessOthers(&s.asks[i])
			continue
		}
		for level := range tokens {
			p.Classes = append(p.Classes, pace.TextClass(agree+level))
		}
		p.Tokens = tokens
	}
}

// guessOthers makes a proposal of what mostly followed in other texts.
func (s *Scheduler) guessOthers(a *Ask) {
	others := s.config.Speculation.Others
	if others == nil {
		return
	}
	const most = 4 // tokens that others are known by
	last := append([]int32(nil), a.Tokens[max(0, len(a.Tokens)-most):]...)
	for range a.Most {
		id, run, lead, ok := others.Next(last)
		if !ok {
			return
		}
		last = append(last, id)
		a.Proposal.Tokens, a.Proposal.Classes = append(a.Proposal.Tokens, id), append(a.Proposal.Classes, pace.OtherClass(run, lead))
	}
}

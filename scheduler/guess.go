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
		chance := 1.0
		for level, id := range tokens {
			class := pace.TextClass(agree + level)
			if chance *= a.Rates[class]; !s.worth(a, level, chance, a.Rates[class]) {
				break
			}
			p.Tokens, p.Classes = append(p.Tokens, id), append(p.Classes, class)
		}
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
	chance := 1.0
	for level := range a.Most {
		id, run, lead, ok := others.Next(last)
		class := pace.OtherClass(run, lead)
		if chance *= a.Rates[class]; !ok || !s.worth(*a, level, chance, a.Rates[class]) {
			return
		}
		last = append(last, id)
		a.Proposal.Tokens, a.Proposal.Classes = append(a.Proposal.Tokens, id), append(a.Proposal.Classes, class)
	}
}

// worth reports whether a proposal from a text is worth its row. Now and then one is made that is not: it may be by now.
func (s *Scheduler) worth(a Ask, level int, chance, rate float64) bool {
	const often = 32
	if a.Prices.Worth(level, chance, rate, true) {
		return true
	}
	s.spared++
	return level == 0 && s.spared%often == 0
}

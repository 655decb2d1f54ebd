package scheduler

import (
	"fmt"
	"slices"

	"umbra/scheduler/beam"
)

// beams is what a group whose members are the beams of one search has besides. All members know equally many tokens, and
// the next step of the search is decided when each has its logits: mostly after the same step, but not where they are
// computed again after a preemption.
type beams struct {
	search *beam.Search
	logits [][]float32        // of members, nil until they are there
	ended  map[int]hypothesis // by the search's number
}

// hypothesis is an answer that the search has finished.
type hypothesis struct {
	tokens []int32 // generated, without the stop token
	text   []byte
	reason Reason
}

// ready reports whether the sequence is a beam that has its logits and waits for the others'.
func (q *sequence) ready() bool { return q.group.beams != nil && q.group.beams.logits[q.answer] != nil }

// search takes the logits of a beam, or why there are none, and all are there, goes on with the search. It appends the events of its end.
func (s *Scheduler) search(events []Event, q *sequence, logits []float32, err error) []Event {
	g := q.group
	b := g.beams
	if err != nil {
		return g.fail(events, fmt.Errorf("scheduler: request %d: %w", g.id, err))
	}
	b.logits[q.answer] = logits
	rows := b.logits
	if q.sampled == 0 {
		rows = rows[:1] // of the prompt
	} else if slices.ContainsFunc(rows, func(l []float32) bool { return l == nil }) {
		return events
	}
	d, err := b.search.Step(rows)
	if err != nil {
		return g.fail(events, fmt.Errorf("scheduler: request %d: %w", g.id, err))
	}
	clear(b.logits)
	for _, e := range d.Ended {
		b.ended[e.ID] = g.members[e.Parent].hypothesis(StopToken)
	}
	if d.Done {
		return g.finish(events)
	}
	for i, m := range d.Next { // a slot that is not its own parent is nobody's
		if m.Parent != i {
			g.members[i].become(g.members[m.Parent])
		}
	}
	for i, m := range d.Next {
		q := g.members[i]
		q.sampled++
		q.tokens = append(q.tokens, m.Token)
		if s.config.Piece != nil {
			q.kept.Text = append(q.kept.Text, s.config.Piece(m.Token)...)
		}
	}
	var reason Reason
	switch {
	case q.sampled == q.maxTokens:
		reason = Length
	case len(q.tokens) == q.limit:
		reason = ContextFull
	default:
		return events
	}
	for _, e := range b.search.Finish() {
		b.ended[e.ID] = g.members[e.Parent].hypothesis(reason)
	}
	return g.finish(events)
}

// become makes a beam a copy of another, which shares its blocks from then on.
func (q *sequence) become(parent *sequence) {
	q.table.Release()
	q.table = parent.table.Fork()
	q.computed, q.reached = parent.computed, parent.reached
	q.tokens = append(q.tokens[:0], parent.tokens...)
	q.kept.Text = append(q.kept.Text[:0], parent.kept.Text...)
}

// hypothesis is what a beam came to.
func (q *sequence) hypothesis(reason Reason) hypothesis {
	return hypothesis{slices.Clone(q.tokens[q.prompt:]), slices.Clone(q.kept.Text), reason}
}

// finish ends the search and appends the events of its best answers.
func (g *group) finish(events []Event) []Event {
	for i, e := range g.beams.search.Best(g.n) {
		h := g.beams.ended[e.ID]
		usage := g.members[0].usage()
		usage.Generated = len(h.tokens)
		if h.reason == StopToken {
			usage.Generated++
		}
		events = append(events, Event{ID: g.id, Answer: i, Tokens: h.tokens, Text: h.text, Reason: h.reason, LogProb: e.LogProb, Score: e.Score, Usage: usage})
	}
	g.endAll()
	return events
}

// fail ends the search without an answer.
func (g *group) fail(events []Event, err error) []Event {
	if g.live == 0 {
		return events
	}
	for i := range g.n {
		events = append(events, Event{ID: g.id, Answer: i, Reason: Failed, Err: err, Usage: g.members[0].usage()})
	}
	g.endAll()
	return events
}

// endAll ends the members, whose ends are nobody's.
func (g *group) endAll() {
	for _, q := range g.members {
		q.ended = true
	}
	g.live = 0
}

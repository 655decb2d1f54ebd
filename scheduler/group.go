package scheduler

import (
	"cmp"
	"math"
	"slices"

	"umbra/cache"
)

// group is a request on its way: its answers, each a sequence, and what they have in common.
//
// The prompt is computed once, by the first of them; the others follow it, holding no blocks, until its table is
// forked for each. After a preemption, which takes the whole group's blocks, it is the same again, unless they were
// saved: one computes the prompt, then each computes what it had generated.
type group struct {
	id       uint64
	priority int
	answers  int         // how many were asked for; of them n are reported
	n        int         // fewer than answers: the likeliest n, when all have ended
	members  []*sequence // those not removed, by answer
	live     int         // those that have not ended
	apart    bool        // each member has a table of its own; always so where there is one

	admitted    bool // now or before
	cached      int  // prompt tokens found in the cache when it was first admitted
	preemptions int
	parked      *parked // not nil: it waits, and its blocks are in Config.Store
	beams       *beams  // not nil: its members are the beams of a search
	held        []Event // ends not reported yet, one an answer; only where n is fewer than answers
}

// follows reports whether the sequence waits for another of its group to compute the prompt.
func (q *sequence) follows() bool { return !q.group.apart && q != q.group.members[0] }

// fork gives each of the group a table once the first has computed the prompt, and returns those that had none.
func (g *group) fork() []*sequence {
	first := g.members[0]
	if g.apart || first.ended || first.computed < first.prompt {
		return nil
	}
	g.apart = true
	for _, f := range g.members[1:] {
		f.table = first.table.Fork()
		f.computed = first.computed
		f.reached = max(f.reached, f.computed)
	}
	return g.members[1:]
}

// leave takes all blocks of the group's members. Unless they were saved, that undoes fork.
func (g *group) leave() {
	for _, q := range g.members {
		q.table.Release()
		q.computed = 0
	}
	if g.beams != nil && g.parked == nil {
		clear(g.beams.logits) // computed again with the rest
	}
	g.apart = len(g.members) == 1 || g.parked != nil && g.apart
	g.preemptions++
}

// blocksApart returns how many blocks all known tokens of the group's members need when they run apart, beyond those
// that their first member has reserved to compute the prompt: full blocks of the prompt are shared, others are not.
func (g *group) blocksApart(b *cache.Blocks) int {
	if g.apart {
		return 0
	}
	lengths := make([]int, len(g.members))
	for i, q := range g.members {
		lengths[i] = len(q.tokens)
	}
	prompt := g.members[0].prompt
	return b.NeedTogether(prompt/b.Size(), lengths...) - b.Need(prompt)
}

// report appends to events those that become public with e, an event of a member: e itself or, where the likeliest of
// several are wanted, none until the last has ended.
func (g *group) report(events []Event, q *sequence, e Event) []Event {
	if g.n == g.answers {
		return append(events, e)
	}
	q.kept.Tokens, q.kept.Text = append(q.kept.Tokens, e.Tokens...), append(q.kept.Text, e.Text...)
	q.kept.LogProbs = append(q.kept.LogProbs, e.LogProbs...)
	if e.Reason == Unfinished {
		return events
	}
	e.Tokens, e.Text, e.LogProb, e.LogProbs = q.kept.Tokens, q.kept.Text, q.score, q.kept.LogProbs
	g.held = append(g.held, e)
	if g.live > 0 {
		return events
	}
	slices.SortFunc(g.held, better)
	best := g.held[:g.n]
	for i := range best {
		best[i].Answer = i
	}
	return append(events, best...)
}

// better orders ended answers: those that failed last, else the likeliest first, else the first first.
func better(a, b Event) int {
	if failed := a.Reason == Failed; failed != (b.Reason == Failed) {
		if failed {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(b.LogProb, a.LogProb), cmp.Compare(a.Answer, b.Answer))
}

// logProb returns the natural logarithm of the probability that softmax(logits) gives a token. Infinite logits share
// all probability, as they do when sampled.
func logProb(logits []float32, id int32) float64 {
	peak := float64(slices.Max(logits))
	if math.IsInf(peak, 1) {
		n := 0
		for _, l := range logits {
			if math.IsInf(float64(l), 1) {
				n++
			}
		}
		if !math.IsInf(float64(logits[id]), 1) {
			return math.Inf(-1)
		}
		return -math.Log(float64(n))
	}
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - peak)
	}
	return float64(logits[id]) - peak - math.Log(sum)
}

// order compares two sequences' places in a queue: higher priority first, then first come first, then by answer. A
// group's members are neighbours. Without Config.Policy Priority all priorities are 0.
func order(a, b *sequence) int {
	return cmp.Or(cmp.Compare(b.group.priority, a.group.priority), cmp.Compare(a.id, b.id), cmp.Compare(a.answer, b.answer))
}

// enqueue inserts a group's members, which are neighbours, into a queue in order.
func enqueue(queue, members []*sequence) []*sequence {
	if n := len(queue); n == 0 || order(queue[n-1], members[0]) < 0 {
		return append(queue, members...)
	}
	at, _ := slices.BinarySearchFunc(queue, members[0], order)
	return slices.Insert(queue, at, members...)
}

package scheduler

import "umbra/cache"

// Snapshot is who runs, who waits and who holds which blocks at a moment: ids and counts, none of the tokens.
type Snapshot struct {
	Stats Stats
	// Sequences are those that run, in order, then those that wait, in order.
	Sequences []SequenceState
	// Maps tell of each pool of KV blocks who has each block. A cell's Owner is an index into Sequences.
	Maps [][]cache.Cell
}

// SequenceState is how far a sequence has come.
type SequenceState struct {
	// ID is the request's, Answer tells its answers apart.
	ID     uint64
	Answer int
	State  State
	// Prompt is how many tokens the prompt has, Tokens how many are known with those generated, Computed how many of them have
	// keys and values in the cache.
	Prompt, Tokens, Computed int
	// Cached is how many tokens of the prompt were found in the cache and not computed.
	Cached int
	// Most is the most tokens that there can be.
	Most int
	// Rows is how many rows the sequence had in the latest step that had any of it.
	Rows int
	// Blocks is how many blocks it holds, those shared with others included.
	Blocks int
	// Preemptions is how often its request lost its blocks, Priority what orders requests.
	Preemptions, Priority int
}

// State is what a sequence is at.
type State string

const (
	// Waits for a place, for blocks, or for another that computes the same beginning.
	Waits State = "waits"
	// Saved waits with its blocks kept off the device.
	Saved State = "saved"
	// Follows another answer of its request, which computes their prompt.
	Follows State = "follows"
	// Prefills has several known tokens to compute.
	Prefills State = "prefill"
	// Decodes a token a step, or what was proposed besides.
	Decodes State = "decode"
	// Ends when the step that has rows of it is over.
	Ends State = "ends"
)

// Snapshot returns how things stand. It takes time in proportion to the blocks and to what sequences hold of them.
func (s *Scheduler) Snapshot() Snapshot {
	snap := Snapshot{Stats: s.Stats()}
	var tables []*cache.Table
	for _, queue := range [][]*sequence{s.running, s.waiting} {
		for _, q := range queue {
			snap.Sequences = append(snap.Sequences, q.snapshot())
			tables = append(tables, q.table)
		}
	}
	for i := range s.running {
		snap.Sequences[i].State = s.running[i].runs()
	}
	snap.Maps = [][]cache.Cell{s.blocks.Map(tables...)}
	return snap
}

func (q *sequence) snapshot() SequenceState {
	state := Waits
	if q.group.parked != nil {
		state = Saved
	}
	most := q.limit
	if q.maxTokens > 0 {
		most = min(most, q.prompt+q.maxTokens)
	}
	return SequenceState{ID: q.id, Answer: q.answer, State: state, Prompt: q.prompt, Tokens: len(q.tokens), Computed: q.computed, Cached: q.group.cached,
		Most: most, Rows: q.lately, Blocks: q.table.Held(), Preemptions: q.group.preemptions, Priority: q.group.priority}
}

// runs says what a running sequence is at.
func (q *sequence) runs() State {
	switch {
	case q.ended:
		return Ends
	case q.follows():
		return Follows
	case q.computed+1 < len(q.tokens):
		return Prefills
	}
	return Decodes
}

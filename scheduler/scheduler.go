// Package scheduler decides which tokens of which sequences each step computes, and what becomes of the results:
// admission, one token budget per step, chunked prefill, continuous batching, preemption, sampling, stop conditions.
// It never touches a GPU, does no I/O, starts no goroutine and owns no clock; one goroutine drives it:
//
//	for b := s.Next(); b != nil; b = s.Next() {
//		out, err := run(b)
//		if err != nil {
//			events, _ = s.Fail(b, err)
//		} else {
//			events, err = s.Commit(b, out)
//		}
//	}
//
// While one step runs, the next may be laid out already: Next called before Commit gives a step that follows the one in
// flight, where that needs no token that only the host can choose, and nil otherwise. Rows of tokens that the step in
// flight is to give name its output row (batch.Batch.Tokens). Who ends with that token has computed a row for nothing.
//
// There is no prefill mode and no decode mode. Each sequence has tokens known (prompt, then generated) and tokens
// computed (their keys and values are in the cache); a step gives it some of the rows between, and when the last
// known token is computed the next one is sampled. Batching at every step is Orca's (Yu et al. 2022, OSDI), mixing
// chunks of prefill with decode Sarathi's (Agrawal et al. 2023, arXiv 2308.16369).
//
// Order is first come, first served, or by priority (Policy). Sequences are admitted in order; when the cache is full
// the last running one is preempted: it gives its blocks back, returns to the queue, first come to its front, and later
// computes what it knew again, without sampling any of it again. So the first in order always proceeds, and how
// requests are batched shows in their tokens only as far as the runner rounds differently for other batches.
//
// A request for several answers is a group of sequences: the prompt is computed once, its blocks are shared, and the
// last, partial one is copied when the answers part (batch.Batch.Copies). Groups are admitted and preempted as a whole.
//
// With Config.Speculation a step may compute a sequence's last token and proposals of what comes next together; Commit keeps those
// that the model's own outputs bear out, and the cache forgets the rest (speculate.go, verify.go).
//
// Layers with a window (Config.Groups) hold blocks of the tokens that the next row sees, and of the rows of a step, only: with each commit the
// cache takes back what the window has passed (window.go).
//
// Full blocks of committed steps are remembered (package cache). Who is admitted takes the longest beginning of its
// tokens that is still there, its own after a preemption among them, and computes the rest; at least one row, for the
// logits.
package scheduler

import (
	"fmt"

	"umbra/cache"
	"umbra/scheduler/batch"
	"umbra/scheduler/pace"
)

// Config sizes a Scheduler. All counts must be at least 1.
type Config struct {
	// BlockSize is the tokens per KV block, Blocks the number of blocks in the cache.
	BlockSize, Blocks int
	// Groups are the layers that see the same tokens, as cache.New takes them: nil for a model whose layers see all.
	Groups []cache.Group
	// MaxBatchTokens is the most token rows a step may have. At least MaxSequences, so that prompts cannot be starved
	// by sequences that generate.
	MaxBatchTokens int
	// MaxSequences is the most sequences that run (hold cache blocks) at once; others wait.
	MaxSequences int
	// Context is the longest sequence the model takes, prompt and generated tokens together.
	Context int
	// Vocabulary is the number of token ids, and so of logits in a row.
	Vocabulary int
	// Policy orders requests; the zero value is FCFS.
	Policy Policy
	// Preemption says what becomes of the keys and values of a request that loses its blocks; the zero value is Recompute.
	Preemption Preemption
	// Store is where blocks wait off the device. Nil: nothing is swapped, and Preemption must be Recompute.
	Store Store
	// Costs are what Auto compares until SetCosts is called.
	Costs Costs
	// NoPrefixReuse turns off that a sequence takes the cache of an earlier one, running or ended, for the full blocks
	// of their common beginning.
	NoPrefixReuse bool
	// Speculation has steps verify proposals of several tokens a sequence; nil: none.
	Speculation *Speculation
	// Piece returns a token's bytes, for event text and stop strings; it may be any part of a UTF-8 rune. The slice is
	// not kept or written to. Nil: events have no text, and requests with stop strings are refused.
	Piece func(id int32) []byte
}

// Policy says in which order requests are served, and so which loses its blocks when the cache is full: the last.
type Policy uint8

const (
	// FCFS serves first come, first served. None waits longer than for those before it.
	FCFS Policy = iota
	// Priority serves those with a higher Request.Priority first, equal ones first come, first served. A steady stream of
	// higher ones starves lower ones. None that runs is preempted for one that waits.
	Priority
)

func (c Config) validate() error {
	for _, v := range []struct {
		name string
		n    int
	}{
		{"MaxBatchTokens", c.MaxBatchTokens}, {"MaxSequences", c.MaxSequences},
		{"Context", c.Context}, {"Vocabulary", c.Vocabulary},
	} {
		if v.n < 1 {
			return fmt.Errorf("scheduler: %s is %d, want at least 1", v.name, v.n)
		}
	}
	if c.Policy > Priority {
		return fmt.Errorf("scheduler: policy %d is unknown, want FCFS or Priority", c.Policy)
	}
	if c.Preemption > Auto {
		return fmt.Errorf("scheduler: preemption %d is unknown, want Recompute, Swap or Auto", c.Preemption)
	}
	if c.Preemption != Recompute && c.Store == nil {
		return fmt.Errorf("scheduler: preemption by %v needs Config.Store, which is nil", c.Preemption)
	}
	if c.MaxBatchTokens < c.MaxSequences {
		return fmt.Errorf("scheduler: MaxBatchTokens is %d, want at least MaxSequences (%d): a row for each in every step",
			c.MaxBatchTokens, c.MaxSequences)
	}
	return c.Speculation.validate(c.MaxSequences)
}

// Scheduler holds the sequences that wait and run, and their share of the cache. Make one with New. It is not safe for
// concurrent use.
type Scheduler struct {
	config Config
	blocks *cache.Blocks
	// limit is the longest a sequence can get: the context, or what the whole cache holds and the token sampled from it.
	limit int

	lastID  uint64
	live    map[uint64]*group // with sequences that have not ended, by id
	waiting []*sequence       // by order; they hold no blocks. In FCFS all come after those of running
	running []*sequence       // by order; includes ended ones whose rows are in flight

	flights []*flight // between Next and Commit or Fail, oldest first; at most MaxFlights
	spare   []*flight // landed, kept for their room
	events  []Event   // of the last Commit, likewise
	ids     []int32   // see one
	counted Stats     // only the fields that count up

	pacer  *pace.Pacer  // nil without Config.Speculation
	asks   []Ask        // of the step that is to be laid out next
	chains []pace.Chain // of their proposals; kept for its room
	took   pace.Step    // the step committed last, until Took
	masked []float32    // see sequence.allowed

	// Of the step being laid out:
	planned      []share     // whose rows it computes
	longer       []*sequence // of the running, those with more than one token to compute
	sealing      []*sequence // of the running, those about to compute a block or more, which others may wait for
	saves, loads []batch.Swap
}

// New makes a scheduler with an empty cache. It fails if a value of the configuration is out of range.
func New(c Config) (*Scheduler, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	blocks, err := cache.New(c.Blocks, c.BlockSize, c.Groups...)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	s := &Scheduler{
		config: c,
		blocks: blocks,
		live:   map[uint64]*group{},
	}
	s.limit = s.longest(0, 1)
	if c.Speculation != nil {
		s.pacer = pace.New(c.Speculation.Rates, c.Speculation.Always)
	}
	return s, nil
}

// Stats are counts of the moment, and totals since New.
type Stats struct {
	// Waiting and Running count sequences. Running includes cancelled ones whose rows are still in flight.
	Waiting, Running int
	// Blocks is the size of the cache and BlocksFree how many of its blocks nobody holds.
	Blocks, BlocksFree int
	// Groups are the blocks of each of Config.Groups; nil where no layer has a window.
	Groups []GroupStats
	// Steps, Rows and Outputs total what was committed; a failed step is not.
	Steps, Rows, Outputs int
	// Recomputed totals those of Rows that had been computed before and were lost to preemption.
	Recomputed int
	// PrefixQueries totals the known tokens of sequences when they were admitted, first or after a preemption, and
	// PrefixHits those of them that were found in the cache and not computed. Both 0 with Config.NoPrefixReuse.
	PrefixHits, PrefixQueries int
	// Preemptions totals how often a request lost its blocks, Swaps those of them in which they were saved.
	Preemptions, Swaps int
	// BlocksSaved and BlocksLoaded total the blocks that went to the store and came back from it. Losses totals the
	// requests whose blocks did not come back, and were computed again.
	BlocksSaved, BlocksLoaded, Losses int
	// Speculated is what came of proposals.
	Speculated Speculated
}

// GroupStats are the blocks of layers that see the same tokens.
type GroupStats struct {
	// Window is how many tokens a row sees, 0 for all, and Held how many blocks somebody holds for it.
	Window, Held int
}

// Stats returns the counts as they stand.
func (s *Scheduler) Stats() Stats {
	st := s.counted
	st.Waiting, st.Running = len(s.waiting), len(s.running)
	st.Blocks, st.BlocksFree = s.blocks.Len(), s.blocks.Free()
	for i, g := range s.blocks.Groups() {
		if s.blocks.Windowed() {
			st.Groups = append(st.Groups, GroupStats{Window: g.Window, Held: s.blocks.Used(i)})
		}
	}
	if s.pacer != nil {
		st.Speculated.Times = s.pacer.Totals()
	}
	return st
}

package serve

// Policy says when a request that has arrived is handed to the scheduler.
type Policy string

const (
	// Continuous hands each over as it arrives; the scheduler admits it to the next step that has room.
	Continuous Policy = "continuous"
	// Static is what came before continuous batching and paged KV: each sequence has a contiguous piece of KV memory, as
	// long as the longest sequence can get, and a batch of as many as fit runs until all of them have ended. It is
	// spared what else such servers pay: no row is computed for a sequence that has ended, and prompts are not padded.
	Static Policy = "static"
)

// StaticSequences is how many sequences run at once where each reserves the whole context.
func StaticSequences(kvTokens, context, sequences int) int {
	return max(1, min(kvTokens/context, sequences))
}

// gate lets requests in as a policy says.
type gate struct {
	size   int // of a static batch; 0 is continuous
	batch  int // sequences of the batch that runs, ended ones included
	active int // of them that have not ended
}

// newGate makes a policy's gate; size is that of static batches.
func newGate(p Policy, size int) gate {
	if p == Static {
		return gate{size: size}
	}
	return gate{}
}

// admit says how many of those that wait go in now, and counts them.
func (g *gate) admit(waiting int) int {
	if g.size > 0 {
		if g.active > 0 {
			return 0
		}
		waiting = min(waiting, g.size)
		g.batch = waiting
	}
	g.active += waiting
	return waiting
}

// end counts one that has ended.
func (g *gate) end() { g.active-- }

// holding is how many sequences have contiguous KV memory reserved under a static policy, 0 otherwise.
func (g *gate) holding() int {
	if g.active == 0 {
		return 0
	}
	return g.batch
}

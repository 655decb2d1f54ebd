// Package batch is the seam between the scheduler, which decides what a step computes, and the model, which
// computes it. It is plain data: no behaviour beyond small accessors, no I/O, standard library only.
package batch

// Want says what a sequence needs back from a step for each of its output rows.
type Want uint8

const (
	// WantToken asks for the id with the largest logit (ties: the smallest id).
	WantToken Want = iota
	// WantTop asks for the Batch.TopK largest logits with their ids, largest first (ties: smallest id first).
	WantTop
	// WantLogits asks for all vocabulary logits.
	WantLogits
	// WantScore asks for the log-probability of a given token, Sequence.Targets.
	WantScore
)

// MaxTopK is the most entries a WantTop row may ask for; who needs more asks for WantLogits.
const MaxTopK = 64

// Batch is one step: T token rows of S sequences laid end to end (a ragged batch). A row belongs to exactly
// one sequence; the rows of a sequence are contiguous and their positions consecutive. Whoever runs a batch reads it
// and does not write to it or its slices.
type Batch struct {
	// Tokens holds the token id of each row; length T. A value below 0 stands for a token that nobody has seen yet: ^i for
	// what output row i of the batch before this one, which may still be on its way, gives as Output.Token.
	Tokens []int32
	// Positions holds each row's position in its sequence, from 0; length T.
	Positions []int32
	// Slots holds the KV slot each row's key and value are written to, block*BlockSize + offset; length T. Where a model has several
	// lanes it is that of the first, and those of the others follow from their tables.
	Slots []int32
	// Sequences lists the S sequences in row order.
	Sequences []Sequence
	// Saves lists KV blocks whose contents are to be kept off the device before anything else of the step is done, as the
	// blocks may be others' from then on. Loads lists blocks that get such contents back, after Saves and before Copies.
	// Whoever drives the model does both; the model itself does not look at them. Nil if none.
	Saves, Loads []Swap
	// Copies lists KV blocks to be copied before anything else of the step is done, each in all layers it holds, keys and values.
	// No block is the target of two, or both source and target, so their order does not matter. Nil if none.
	Copies []Copy
	// TopK is how many entries a WantTop row needs: the largest asked for by any sequence of the step, at most MaxTopK
	// and at most the vocabulary. 0 if none.
	TopK int
}

// Copy copies a whole KV block: every slot of block From to the same slot of block To.
type Copy struct{ From, To int32 }

// Swap moves KV blocks of a preempted request off the device or back.
type Swap struct {
	// ID names the request. It has one set of contents at a time.
	ID uint64
	// First is where in that set Blocks begins, 0 for Saves.
	First int
	// Blocks are the device's blocks: contents First+i belong to Blocks[i].
	Blocks []int32
}

// Sequence is one sequence's share of a step.
type Sequence struct {
	// ID names the sequence to the scheduler.
	ID uint64
	// Answer tells sequences of one ID apart, where several answers are made of one prompt; 0 for the first or only.
	Answer int
	// Start is the index of its first row, Rows their number (at least 1).
	Start, Rows int
	// Past and Blocks are its block table, as Table has them; that of the first lane where a model has several.
	Past   int
	Blocks []int32
	// Lanes are the block tables of the other lanes.
	Lanes []Table
	// Outputs says how many of its last rows want output, 0 while a prompt is still being prefilled.
	Outputs int
	// Want says which kind of output those rows want.
	Want Want
	// Targets holds, for WantScore, the token that each of those rows is to give the log-probability of; length Outputs.
	Targets []int32
}

// Table is a block table: Blocks[p/BlockSize-Past] holds position p, for every position up to the sequence's last row's that a row of the
// step sees.
type Table struct {
	// Past is how many blocks are left out at the beginning, as a window has passed them; 0 without one.
	Past   int
	Blocks []int32
}

// Output is what one output row gave back. Only the fields its Want asks for are set.
type Output struct {
	// Token is the id with the largest logit; set for every Want.
	Token int32
	// TopIDs and TopLogits hold the largest logits, largest first; set for WantTop.
	TopIDs    []int32
	TopLogits []float32
	// Logits holds all logits, indexed by token id; set for WantLogits.
	Logits []float32
	// Score is the natural logarithm of the target's probability, NaN if a logit is no number; set for WantScore.
	Score float64
}

// Outputs counts the rows of the batch that want output. A runner returns exactly that many Output values, in row order.
func (b *Batch) Outputs() int {
	n := 0
	for _, s := range b.Sequences {
		n += s.Outputs
	}
	return n
}

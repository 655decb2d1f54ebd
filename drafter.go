package umbra

import (
	"fmt"
	"slices"
	"time"

	"umbra/cache"
	"umbra/gpu"
	"umbra/model"
	"umbra/scheduler"
	"umbra/scheduler/batch"
	"umbra/scheduler/grammar"
	"umbra/scheduler/pace"
	"umbra/scheduler/sample"
)

// drafter makes proposals with a draft model, which has a KV pool of its own: all sequences that ask are drafted for in one
// batch, a token each a pass. What the draft has computed and the model has not taken is given back before the next proposal.
type drafter struct {
	model  *model.Model
	blocks *cache.Blocks
	known  map[draftKey]*drafted
	blind  bool // launch passes before those before them are over, where the device is not the host's own processor
	warn   func(error)
	short  int  // rows that a sequence may be behind when its first proposal is made
	failed bool // the draft model makes no proposals any more
	turn   int
	row    float64 // seconds a row of a text takes that the draft has not computed yet
	mean   float64 // chance that a proposal of a new sequence is accepted
}

type draftKey struct {
	id     uint64
	answer int
}

// drafted is what the draft model has of a sequence.
type drafted struct {
	table   *cache.Table
	tokens  []int32 // whose keys and values the table holds
	sure    int     // the first so many are the sequence's own for good
	sampler *sample.Sampler
	mean    float64 // chance that its next proposal is accepted, by how sure the draft has been
	skipped int     // turns without a proposal, as none was worth it
	turn    int     // in which it last asked
}

// drafting is a sequence on its way through the passes of a turn.
type drafting struct {
	*drafted
	ask     *scheduler.Ask
	text    []int32          // known, and what the draft goes on with
	chance  float64          // that all proposed so far are accepted
	grammar *grammar.Matcher // where text is in its grammar; nil: it has none
	stopped bool             // no more is proposed
}

const (
	staleTurns   = 64  // after which a sequence that asks no more is forgotten
	probeTurns   = 64  // after which one token is proposed all the same
	meanWeight   = 0.1 // of a proposal in drafted.mean
	catchUpShare = 0.5 // of what proposals can be expected to gain that computing a text for them may take
)

// Candidates that the draft gives: to be sure by, or to draw from. Fewer than a sampler asks for make proposals a little less like the
// model's own choices, and a wide search of the vocabulary is what costs on CPUs.
const (
	greedyCandidates  = 2
	sampledCandidates = 16
)

func newDrafter(m *model.Model, adapter gpu.AdapterInfo, warn func(error)) (*drafter, error) {
	blocks, err := cache.New(m.Plan().Blocks, model.BlockSize, Groups(m.Plan())...)
	p := m.Plan()
	return &drafter{model: m, blocks: blocks, known: map[draftKey]*drafted{}, blind: adapter.Kind != gpu.KindCPU, warn: warn,
		short: min(2*pace.Most, p.BatchTokens/p.Sequences-1), mean: 0.6}, err
}

// propose fills the proposals in and returns what that took, but for the step itself.
func (d *drafter) propose(asks []scheduler.Ask) (t pace.Times) {
	if len(asks) == 0 || d.failed {
		return t
	}
	d.turn++
	start := time.Now()
	open := d.begin(asks)
	err := d.catchUp(&open)
	t.Behind = time.Since(start).Seconds()
	if err == nil {
		start = time.Now()
		t.Passes, err = d.passes(open)
		t.Drafts = time.Since(start).Seconds()
	}
	if err != nil { // what was proposed is only worth less
		d.failed = true
		if d.warn != nil {
			d.warn(fmt.Errorf("umbra: the draft model makes no more proposals: %w", err))
		}
	}
	return t
}

// begin brings what is known of the sequences up to date and returns those to draft for.
func (d *drafter) begin(asks []scheduler.Ask) (open []*drafting) {
	for i := range asks {
		a := &asks[i]
		x := d.find(a)
		x.turn = d.turn
		if n := len(a.Tokens); n+a.Most > d.model.Plan().Context {
			continue
		}
		if !a.Prices.Worth(0, x.mean, x.mean, false) {
			if x.skipped++; x.skipped%probeTurns != 0 {
				continue
			}
		}
		o := &drafting{drafted: x, ask: a, text: a.Tokens[:len(a.Tokens):len(a.Tokens)], chance: 1}
		if a.Grammar != nil {
			m := *a.Grammar
			o.grammar = &m
		}
		open = append(open, o)
	}
	for k, x := range d.known {
		if d.turn-x.turn > staleTurns {
			x.table.Release()
			delete(d.known, k)
		}
	}
	return open
}

// find returns what is known of a sequence, less what did not come true.
func (d *drafter) find(a *scheduler.Ask) *drafted {
	key, last := draftKey{a.ID, a.Answer}, len(a.Tokens)-1 // the last is always computed, for its logits
	x := d.known[key]
	if x == nil {
		sampler, err := sample.NewProposer(a.Sampling)
		if err != nil {
			panic(err) // the scheduler has accepted the same parameters
		}
		x = &drafted{table: d.blocks.Table(), sampler: sampler, mean: d.mean}
		d.known[key] = x
		n := x.table.Match(a.Tokens[:last])
		x.tokens = append(x.tokens, a.Tokens[:n]...)
	}
	for x.sure < min(len(x.tokens), last) && x.tokens[x.sure] == a.Tokens[x.sure] {
		x.sure++
	}
	x.tokens = x.tokens[:x.sure]
	x.table.Shrink(x.sure)
	x.table.Slide(x.sure)
	return x
}

// catchUp computes the known tokens that the draft has yet to compute, where there are many and what proposals can be expected to
// gain is worth it. It leaves the sequences that are ready for proposals.
func (d *drafter) catchUp(open *[]*drafting) error {
	budget := d.model.Plan().BatchTokens
	b, rows := &batch.Batch{}, 0
	var ready []*drafting
	for _, x := range *open {
		behind := len(x.text) - 1 - x.sure
		if behind <= d.short {
			ready = append(ready, x)
			continue
		}
		p := x.ask.Prices
		if cost := float64(behind) * d.row * p.Second; p.Second > 0 && cost > max(p.Spare, catchUpShare*float64(x.ask.Left)*p.Gain) {
			continue
		}
		n := min(behind, budget-rows)
		if n <= 0 || !x.table.Grow(n) {
			continue
		}
		x.rows(b, n, x.text[x.sure:x.sure+n], 0)
		x.settle()
		rows += n
		if n == behind {
			ready = append(ready, x)
		}
	}
	*open = ready
	if rows == 0 {
		return nil
	}
	start := time.Now()
	if _, err := d.model.Run(b); err != nil {
		return err
	}
	d.row = smooth(d.row, time.Since(start).Seconds()/float64(rows))
	return nil
}

// rows appends n rows of tokens to a batch, for which the table has grown.
func (x *drafting) rows(b *batch.Batch, n int, tokens []int32, outputs int) {
	end := x.table.Len()
	q := batch.Sequence{ID: x.ask.ID, Answer: x.ask.Answer, Start: len(b.Tokens), Rows: n, Outputs: outputs, Want: batch.WantTop}
	scheduler.Tables(nil, &q, x.table, end)
	b.Sequences = append(b.Sequences, q)
	b.Tokens = append(b.Tokens, tokens...)
	for p := end - n; p < end; p++ {
		b.Positions = append(b.Positions, int32(p))
		b.Slots = append(b.Slots, x.table.Slot(p))
	}
}

// settle notes what has been computed, and remembers blocks of known tokens, for others with the same beginning.
func (x *drafting) settle() {
	n := x.table.Len()
	x.tokens = append(x.tokens, x.text[len(x.tokens):n]...)
	x.table.Seal(x.ask.Tokens[:min(n, len(x.ask.Tokens)-1)]) // the last may have to be computed once more
}

// passes proposes a token for each open sequence in every pass, while that is worth it, and returns the number of passes.
func (d *drafter) passes(open []*drafting) (passes int, err error) {
	blind, candidates := d.blind, greedyCandidates
	for _, x := range open {
		if !x.ask.Sampling.Greedy() || x.ask.Sampling.Penalises() || x.grammar != nil {
			blind, candidates = false, sampledCandidates
		}
	}
	for level := 0; len(open) > 0; {
		n := 1
		if blind {
			n = planned(open, level)
		}
		sequences, flights, err := d.launch(open, n, candidates)
		for _, f := range flights {
			out, e := f.Wait()
			for i := 0; err == nil && e == nil && i < len(sequences); i++ {
				e = sequences[i].take(out[i], level, d)
			}
			if err == nil { // each is waited for
				err = e
			}
			level++
			passes++
		}
		if err != nil {
			return passes, err
		}
		open = open[:0]
		for _, x := range sequences {
			x.settle()
			if x.goesOn(level, 0) {
				open = append(open, x)
			}
		}
	}
	return passes, nil
}

// goesOn reports whether a sequence is worth a proposal more passes after that of a level.
func (x *drafting) goesOn(level, more int) bool {
	chance := x.chance
	for range more + 1 {
		chance *= x.mean
	}
	level += more
	return !x.stopped && level < x.ask.Most && x.ask.Prices.Worth(level, chance, x.mean, false)
}

// planned is how many passes are worth launching now, by how sure the draft has been lately; 1 at least.
func planned(open []*drafting, level int) int {
	most := pace.Most
	for _, x := range open {
		most = min(most, x.ask.Most-level)
	}
	n := 1
	for n < most && slices.ContainsFunc(open, func(x *drafting) bool { return x.goesOn(level, n) }) {
		n++
	}
	return n
}

// launch hands n passes over, the first with what the draft has yet to compute, the others each fed by the one before. It returns the sequences
// with rows in them, for which there were blocks, and the passes on their way, each with an output for each sequence.
func (d *drafter) launch(open []*drafting, n, candidates int) (sequences []*drafting, flights []*model.Flight, err error) {
	for i := range n {
		b := &batch.Batch{TopK: candidates}
		if i == 0 {
			for _, x := range open {
				known := x.text[x.table.Len():]
				if x.table.Grow(len(known)) {
					x.rows(b, len(known), known, 1)
					sequences = append(sequences, x)
				}
			}
		} else {
			if slices.ContainsFunc(sequences, func(x *drafting) bool { return x.table.Growth(1) > 0 }) && d.blocks.Free() < len(sequences)*d.blocks.Lanes() {
				return sequences, flights, nil
			}
			for place, x := range sequences {
				x.table.Grow(1)
				x.rows(b, 1, []int32{^int32(place)}, 1)
			}
		}
		if len(sequences) == 0 {
			return nil, nil, nil
		}
		f, err := d.model.Launch(b)
		if err != nil {
			return sequences, flights, err
		}
		flights = append(flights, f)
	}
	return sequences, flights, nil
}

// take takes what a pass gave: a proposal, where it is worth a row of the step. Once one is not, none after it is made; whether one
// is does not depend on what was drawn.
func (x *drafting) take(out batch.Output, level int, d *drafter) error {
	c := sample.Candidates{IDs: out.TopIDs, Logits: out.TopLogits}
	if x.grammar != nil {
		if c = x.fitting(c); len(c.IDs) == 0 {
			x.stopped = true
			return nil
		}
	}
	id, odds, top, err := x.sampler.Propose(c, x.text)
	if err != nil {
		return err
	}
	if x.grammar != nil {
		x.grammar.Advance(id) // it is one that fits
	}
	x.text = append(x.text, id)
	if x.stopped || level >= x.ask.Most {
		return nil
	}
	class := pace.DraftClass(top)
	rate := x.ask.Rates[class]
	x.mean += meanWeight * (rate - x.mean)
	d.mean += meanWeight / 4 * (rate - d.mean)
	x.chance *= rate
	if !x.ask.Prices.Worth(level, x.chance, x.mean, true) {
		x.stopped = true
		return nil
	}
	p := &x.ask.Proposal
	p.Tokens, p.Odds, p.Classes = append(p.Tokens, id), append(p.Odds, odds), append(p.Classes, class)
	return nil
}

// fitting are the candidates that fit the grammar.
func (x *drafting) fitting(c sample.Candidates) (fits sample.Candidates) {
	for i, id := range c.IDs {
		if ok, err := x.grammar.Allows(id); ok && err == nil {
			fits.IDs, fits.Logits = append(fits.IDs, id), append(fits.Logits, c.Logits[i])
		}
	}
	return fits
}

package scheduler

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"umbra/scheduler/batch"
)

// The fake vocabulary: two-letter syllables, so that a stop string can begin in the middle of a token.
const (
	consonants = "bdfghklmnprstvz"
	vowels     = "aeiou"
	syllables  = 15 * 5
)

func syllable(id int32) []byte {
	return []byte{consonants[int(id)/len(vowels)], vowels[int(id)%len(vowels)]}
}

// cell is one slot of the fake cache. A real one holds a key and a value, which depend on all tokens up to there; so do
// chain and text.
type cell struct {
	position int32
	chain    uint64
	text     []int32 // the tokens
}

// link makes a position's chain of the one before it.
func link(before uint64, token, position int32) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, []uint64{before, uint64(token), uint64(position)})
	return h.Sum64()
}

// fake stands in for a model. It writes each row's token to the row's slot, then reads every output row's context back
// through the block tables, as far as each lane sees, and makes logits of nothing else: a wrong slot, table or position, a block shared by mistake,
// a copy that is missing or wrong, or a token computed too early or never, changes what comes next or is an error.
type fake struct {
	blockSize int
	windows   []int // by lane: how many tokens a row sees; 0: all
	widest    int   // the lane that sees most
	cells     []cell
	store     *fakeStore      // nil: nothing is swapped
	given     []int32         // what the latest step's output rows gave
	spoiled   map[uint64]bool // requests whose cells may be anything
	last      []float32       // logits of the latest output row
	copies    int
	fed       int
	of        func([]int32) []float32 // the logits that follow a text
}

func newFake(c Config) *fake {
	store, _ := c.Store.(*fakeStore)
	f := &fake{blockSize: c.BlockSize, cells: make([]cell, c.BlockSize*c.Blocks), store: store, spoiled: map[uint64]bool{}, of: logitsOf}
	for _, g := range c.Groups {
		for range g.Lanes {
			f.windows = append(f.windows, g.Window)
		}
	}
	if len(f.windows) == 0 {
		f.windows = []int{0}
	}
	for lane, w := range f.windows {
		if widest := f.windows[f.widest]; widest > 0 && (w == 0 || w > widest) {
			f.widest = lane
		}
	}
	return f
}

func (f *fake) run(b *batch.Batch) ([]batch.Output, error) {
	n := len(b.Tokens)
	if n == 0 || len(b.Positions) != n || len(b.Slots) != n {
		return nil, fmt.Errorf("fake: %d tokens, %d positions, %d slots", n, len(b.Positions), len(b.Slots))
	}
	if err := f.swap(b); err != nil {
		return nil, err
	}
	if err := f.copy(b.Copies); err != nil {
		return nil, err
	}
	tokens, err := f.feed(b.Tokens)
	if err != nil {
		return nil, err
	}
	row, top := 0, 0
	written := map[int32]bool{}
	for _, s := range b.Sequences {
		if s.Start != row || s.Rows < 1 || s.Outputs < 0 || s.Outputs > s.Rows {
			return nil, fmt.Errorf("fake: sequence %d starts at %d, want %d, with %d rows, %d outputs", s.ID, s.Start, row, s.Rows, s.Outputs)
		}
		row += s.Rows
		if s.Want == batch.WantTop && s.Outputs > 0 {
			top = 1
		}
		last := int(b.Positions[row-1])
		if len(s.Lanes) != len(f.windows)-1 {
			return nil, fmt.Errorf("fake: sequence %d has tables for %d lanes more than one, want %d", s.ID, len(s.Lanes), len(f.windows)-1)
		}
		for lane := range f.windows {
			if t := table(s, lane); t.Past+len(t.Blocks) != last/f.blockSize+1 || t.Past*f.blockSize > f.first(lane, last-s.Rows+1) {
				return nil, fmt.Errorf("fake: sequence %d has in lane %d blocks %d to %d for %d rows up to position %d", s.ID, lane, t.Past, t.Past+len(t.Blocks), s.Rows, last)
			}
		}
		for r := s.Start; r < row; r++ {
			p := int(b.Positions[r])
			if p != last-(row-1-r) {
				return nil, fmt.Errorf("fake: sequence %d: row %d is position %d", s.ID, r, p)
			}
			for lane := range f.windows {
				slot := f.slot(s, lane, p)
				if written[slot] || lane == 0 && b.Slots[r] != slot {
					return nil, fmt.Errorf("fake: sequence %d writes position %d to slot %d", s.ID, p, b.Slots[r])
				}
				written[slot] = true
			}
			f.write(s, tokens[r], p)
		}
	}
	if row != n {
		return nil, fmt.Errorf("fake: sequences have %d rows of %d", row, n)
	}
	if (top == 1) != (b.TopK > 0) || b.TopK > batch.MaxTopK {
		return nil, fmt.Errorf("fake: TopK is %d", b.TopK)
	}
	var out []batch.Output
	f.given = nil
	for _, s := range b.Sequences {
		for r := s.Start + s.Rows - s.Outputs; r < s.Start+s.Rows; r++ {
			logits, err := f.logits(s, int(b.Positions[r]))
			if err != nil {
				return nil, err
			}
			f.last = logits
			out = append(out, output(logits, s.Want, b.TopK))
			f.given = append(f.given, out[len(out)-1].Token)
		}
	}
	return out, nil
}

// feed puts what the step before gave in the place of tokens that stand for it.
func (f *fake) feed(tokens []int32) ([]int32, error) {
	tokens = slices.Clone(tokens)
	for i, t := range tokens {
		if t >= 0 {
			continue
		}
		if int(^t) >= len(f.given) {
			return nil, fmt.Errorf("fake: row %d is fed by output %d of %d", i, ^t, len(f.given))
		}
		tokens[i] = f.given[^t]
		f.fed++
	}
	return tokens, nil
}

// swap does a step's saves, then its loads.
func (f *fake) swap(b *batch.Batch) error {
	for _, w := range b.Saves {
		if f.store.held[w.ID] != len(w.Blocks) || f.store.cells[w.ID] != nil {
			return fmt.Errorf("fake: request %d saves %d blocks, has room for %d", w.ID, len(w.Blocks), f.store.held[w.ID])
		}
		for _, id := range w.Blocks {
			f.store.cells[w.ID] = append(f.store.cells[w.ID], f.cells[int(id)*f.blockSize:][:f.blockSize]...)
		}
	}
	for _, w := range b.Loads {
		kept := f.store.cells[w.ID]
		if (w.First+len(w.Blocks))*f.blockSize != len(kept) {
			return fmt.Errorf("fake: request %d loads %d blocks from %d on, has %d cells", w.ID, len(w.Blocks), w.First, len(kept))
		}
		for i, id := range w.Blocks {
			copy(f.cells[int(id)*f.blockSize:][:f.blockSize], kept[(w.First+i)*f.blockSize:])
		}
		f.store.Drop(w.ID)
	}
	return nil
}

// copy does a step's copies.
func (f *fake) copy(copies []batch.Copy) error {
	targets := map[int32]bool{}
	for _, c := range copies {
		if targets[c.To] {
			return fmt.Errorf("fake: block %d is copied to twice", c.To)
		}
		targets[c.To] = true
	}
	for _, c := range copies {
		if targets[c.From] {
			return fmt.Errorf("fake: block %d is copied from and to", c.From)
		}
		f.copies++
		copy(f.cells[int(c.To)*f.blockSize:][:f.blockSize], f.cells[int(c.From)*f.blockSize:])
	}
	return nil
}

// spoil is a step that fails: what it should have written, saved or given is anything.
func (f *fake) spoil(b *batch.Batch) {
	for _, w := range b.Saves {
		f.store.Drop(w.ID)
	}
	for _, w := range b.Loads {
		f.spoiled[w.ID] = true
		f.store.Drop(w.ID)
		for _, id := range w.Blocks {
			clear(f.cells[int(id)*f.blockSize:][:f.blockSize])
		}
	}
	f.given = make([]int32, b.Outputs())
	for _, s := range b.Sequences {
		f.spoiled[s.ID] = true
	}
	for _, c := range b.Copies {
		clear(f.cells[int(c.To)*f.blockSize:][:f.blockSize])
	}
	for _, s := range b.Sequences {
		for _, p := range b.Positions[s.Start:][:s.Rows] {
			for lane := range f.windows {
				*f.at(s, lane, int(p)) = cell{}
			}
		}
	}
}

// table returns a sequence's block table of a lane.
func table(s batch.Sequence, lane int) batch.Table {
	if lane == 0 {
		return batch.Table{Past: s.Past, Blocks: s.Blocks}
	}
	return s.Lanes[lane-1]
}

// first returns the first position that a row of a position sees.
func (f *fake) first(lane, position int) int {
	if w := f.windows[lane]; w > 0 {
		return max(0, position-w+1)
	}
	return 0
}

// slot returns where a lane has a sequence's position.
func (f *fake) slot(s batch.Sequence, lane, position int) int32 {
	t := table(s, lane)
	return t.Blocks[position/f.blockSize-t.Past]*int32(f.blockSize) + int32(position%f.blockSize)
}

// at returns the cell of a sequence's position.
func (f *fake) at(s batch.Sequence, lane, position int) *cell {
	return &f.cells[f.slot(s, lane, position)]
}

// write fills the cells of a position from one before it.
func (f *fake) write(s batch.Sequence, token int32, position int) {
	c := cell{position: int32(position)}
	before := uint64(0)
	if position > 0 {
		last := f.at(s, f.widest, position-1)
		before, c.text = last.chain, last.text
	}
	c.chain, c.text = link(before, token, c.position), append(slices.Clone(c.text), token)
	for lane := range f.windows {
		*f.at(s, lane, position) = c
	}
}

// logits reads the sequence's context up to a position and makes the logits that follow it.
func (f *fake) logits(s batch.Sequence, position int) ([]float32, error) {
	text := f.at(s, f.widest, position).text
	if f.spoiled[s.ID] {
		return f.of(text), nil
	}
	if len(text) != position+1 {
		return nil, fmt.Errorf("fake: position %d of sequence %d is after a text of %d", position, s.ID, len(text))
	}
	chain := uint64(0)
	for p, token := range text {
		chain = link(chain, token, int32(p))
		for lane := range f.windows {
			if p < f.first(lane, position) {
				continue
			}
			if c := f.at(s, lane, p); c.chain != chain || int(c.position) != p {
				return nil, fmt.Errorf("fake: position %d of sequence %d holds in lane %d position %d of another", p, s.ID, lane, c.position)
			}
		}
	}
	return f.of(text), nil
}

// logitsOf makes the logits that follow a text.
func logitsOf(tokens []int32) []float32 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, tokens)
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	logits := make([]float32, syllables)
	for i := range logits {
		logits[i] = float32(r.NormFloat64())
	}
	return logits
}

// output gives of logits what was wanted.
func output(logits []float32, want batch.Want, k int) batch.Output {
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortStableFunc(ids, func(a, b int32) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return 0
	})
	out := batch.Output{Token: ids[0]}
	switch want {
	case batch.WantTop:
		out.TopIDs = ids[:k]
		for _, id := range out.TopIDs {
			out.TopLogits = append(out.TopLogits, logits[id])
		}
	case batch.WantLogits:
		out.Logits = logits
	}
	return out
}

// fakeStore keeps cells for the fake, and loses them when told to.
type fakeStore struct {
	blocks int // room for so many
	held   map[uint64]int
	cells  map[uint64][]cell
	lose   func() bool // nil: never
}

func newFakeStore(blocks int) *fakeStore {
	return &fakeStore{blocks: blocks, held: map[uint64]int{}, cells: map[uint64][]cell{}}
}

func (f *fakeStore) used() (n int) {
	for _, blocks := range f.held {
		n += blocks
	}
	return n
}

func (f *fakeStore) Reserve(id uint64, blocks int) bool {
	if f.held[id] != 0 || blocks < 1 {
		panic(fmt.Sprintf("fake: room for %d blocks of request %d, which has %d", blocks, id, f.held[id]))
	}
	if f.used()+blocks > f.blocks {
		return false
	}
	f.held[id] = blocks
	return true
}

func (f *fakeStore) Fetch(id uint64) error {
	if f.cells[id] == nil || f.lose != nil && f.lose() {
		f.Drop(id)
		return errors.New("lost")
	}
	return nil
}

func (f *fakeStore) Drop(id uint64) {
	delete(f.held, id)
	delete(f.cells, id)
}

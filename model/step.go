package model

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"umbra/gpu"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// step is one batch on its way to the device.
type step struct {
	model  *Model
	batch  *batch.Batch
	pass   *gpu.Pass
	header shaders.Step

	rows, outputs     int
	few, splits, many int  // attention tiles, see shaders.Attention.Run
	scored            bool // some outputs want a score

	reads []read // of buffers, after the layers
}

// read is what is to be read from a buffer, from its beginning.
type read struct {
	from *gpu.Buffer
	to   []byte
}

// Run computes one batch and returns an Output for each row that wants one, in row order. It checks the batch first
// and on any error has written nothing but KV slots and targets of copies that the batch names.
func (m *Model) Run(b *batch.Batch) ([]batch.Output, error) {
	f, err := m.Launch(b)
	if err != nil {
		return nil, err
	}
	return f.Wait()
}

// Launch is Run that does not wait. Batches are computed one after the other, in the order of their launches, so the next may be
// launched meanwhile; its rows may be fed by this one's outputs. Every flight must be waited for.
func (m *Model) Launch(b *batch.Batch) (*Flight, error) {
	s := &step{model: m, batch: b}
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.upload(); err != nil {
		return nil, err
	}
	return s.run()
}

// Flight is a batch on the device.
type Flight struct {
	// Submit is what handing it over took. A driver that computes on the CPU may wait there for the batch before.
	Submit time.Duration
	// Behind says that the batch before was still on the device when this one was handed over: in between it had something
	// to do all the time.
	Behind bool

	batch      *batch.Batch
	fence      *gpu.Fence
	candidates int      // of each output
	top        []byte   // candidates
	scores     []byte   // of each output, nil if none is wanted
	logits     [][]byte // of outputs that want them, nil for others
}

// Done reports whether Wait would return at once.
func (f *Flight) Done() bool { return f.fence.Done() }

// Wait waits for the end and returns what Run does.
func (f *Flight) Wait() ([]batch.Output, error) {
	if err := f.fence.Wait(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return f.collect(), nil
}

// check refuses a batch that the model was not sized for.
func (s *step) check() error {
	b, p := s.batch, s.model.plan
	s.rows, s.outputs = len(b.Tokens), b.Outputs()
	switch {
	case s.rows == 0:
		return fmt.Errorf("model: empty batch")
	case s.rows > p.BatchTokens:
		return fmt.Errorf("model: batch of %d rows is above the %d the model was opened for", s.rows, p.BatchTokens)
	case len(b.Positions) != s.rows || len(b.Slots) != s.rows:
		return fmt.Errorf("model: batch of %d tokens has %d positions and %d slots", s.rows, len(b.Positions), len(b.Slots))
	case len(b.Sequences) > p.Sequences:
		return fmt.Errorf("model: batch of %d sequences is above the %d the model was opened for", len(b.Sequences), p.Sequences)
	case s.outputs > p.Outputs:
		return fmt.Errorf("model: batch with %d outputs is above the %d the model was opened for", s.outputs, p.Outputs)
	case b.TopK < 0 || b.TopK > shaders.MaxTopK:
		return fmt.Errorf("model: top-k of %d is outside 0..%d", b.TopK, shaders.MaxTopK)
	}
	slots := int32(p.Blocks * BlockSize)
	for i, t := range b.Tokens {
		switch pos := b.Positions[i]; {
		case t < 0 && int(^t) >= s.model.fed.outputs:
			return fmt.Errorf("model: row %d is fed by output %d of the batch before, which has %d", i, ^t, s.model.fed.outputs)
		case int(t) >= p.Config.Vocab:
			return fmt.Errorf("model: row %d: token %d is outside the vocabulary of %d", i, t, p.Config.Vocab)
		case pos < 0 || int(pos) >= p.Context:
			return fmt.Errorf("model: row %d: position %d is outside the context of %d", i, pos, p.Context)
		case b.Slots[i] < 0 || b.Slots[i] >= slots:
			return fmt.Errorf("model: row %d: slot %d is outside the pool of %d", i, b.Slots[i], slots)
		}
	}
	if err := s.checkCopies(); err != nil {
		return err
	}
	next := 0
	for i, q := range b.Sequences {
		if q.Start != next || q.Rows < 1 || q.Rows > s.rows-next || q.Outputs < 0 || q.Outputs > q.Rows {
			return fmt.Errorf("model: sequence %d: rows %d+%d with %d outputs do not follow row %d of %d", i, q.Start, q.Rows, q.Outputs, next, s.rows)
		}
		if err := s.checkTargets(i, q); err != nil {
			return err
		}
		next += q.Rows
		last := int(b.Positions[next-1])
		if len(q.Blocks) < last/BlockSize+1 || len(q.Blocks) > ceilDiv(p.Context, BlockSize) {
			return fmt.Errorf("model: sequence %d: %d blocks for positions up to %d", i, len(q.Blocks), last)
		}
		for _, block := range q.Blocks {
			if block < 0 || int(block) >= p.Blocks {
				return fmt.Errorf("model: sequence %d: block %d is outside the pool of %d", i, block, p.Blocks)
			}
		}
		for row := q.Start; row < next; row++ {
			pos := b.Positions[row]
			if first := b.Positions[q.Start]; pos != first+int32(row-q.Start) {
				return fmt.Errorf("model: row %d: position %d does not follow %d", row, pos, b.Positions[row-1])
			}
			if want := q.Blocks[pos/BlockSize]*BlockSize + pos%BlockSize; b.Slots[row] != want {
				return fmt.Errorf("model: row %d: slot %d is not slot %d, where its block holds position %d", row, b.Slots[row], want, pos)
			}
		}
	}
	if next != s.rows {
		return fmt.Errorf("model: sequences have %d rows of %d", next, s.rows)
	}
	return nil
}

// checkTargets refuses scores of tokens that are none, and notes whether there are scores.
func (s *step) checkTargets(i int, q batch.Sequence) error {
	if q.Want != batch.WantScore {
		return nil
	}
	if len(q.Targets) != q.Outputs {
		return fmt.Errorf("model: sequence %d: %d targets for %d outputs", i, len(q.Targets), q.Outputs)
	}
	for _, t := range q.Targets {
		if t < 0 || int(t) >= s.model.plan.Config.Vocab {
			return fmt.Errorf("model: sequence %d: target %d is outside the vocabulary of %d", i, t, s.model.plan.Config.Vocab)
		}
	}
	s.scored = s.scored || q.Outputs > 0
	return nil
}

// checkCopies refuses copies whose order would matter. A target is still free to be written by rows: copies come first.
func (s *step) checkCopies() error {
	const source, target = 1, 2
	roles := map[int32]int{}
	for i, c := range s.batch.Copies {
		for _, block := range []int32{c.From, c.To} {
			if block < 0 || int(block) >= s.model.plan.Blocks {
				return fmt.Errorf("model: copy %d of block %d to %d: block %d is outside the pool of %d", i, c.From, c.To, block, s.model.plan.Blocks)
			}
		}
		if roles[c.To]&target != 0 {
			return fmt.Errorf("model: copy %d of block %d to %d: another copy writes block %d too", i, c.From, c.To, c.To)
		}
		roles[c.From] |= source
		roles[c.To] |= target
	}
	for i, c := range s.batch.Copies {
		if roles[c.To] == source|target || roles[c.From] == source|target {
			return fmt.Errorf("model: copy %d of block %d to %d: one of them is both read and written by copies", i, c.From, c.To)
		}
	}
	return nil
}

// upload packs the batch and writes it to the device.
func (s *step) upload() error {
	b, m := s.batch, s.model
	h := &s.header
	words := m.words[:0]
	section := func(v []int32) uint32 {
		at := uint32(len(words))
		for _, x := range v {
			words = append(words, uint32(x))
		}
		return at
	}
	h.Rows, h.Outputs, h.Fed = uint32(s.rows), uint32(s.outputs), uint32(2*m.fed.candidates)
	h.Tokens, h.Positions, h.Slots = section(b.Tokens), section(b.Positions), section(b.Slots)
	h.Rotations = uint32(len(words))
	for _, pos := range b.Positions {
		for _, f := range m.freqs {
			sin, cos := math.Sincos(float64(pos) * f)
			words = append(words, math.Float32bits(float32(cos)), math.Float32bits(float32(sin)))
		}
	}
	var outputs, few, many []int32
	s.splits = 1
	for _, q := range b.Sequences {
		table := int32(section(q.Blocks))
		for i := q.Rows - q.Outputs; i < q.Rows; i++ {
			outputs = append(outputs, int32(q.Start+i))
		}
		size, list := 1, &few
		if q.Rows > shaders.FewRows && !verifies(q) || len(few)/4+q.Rows > m.plan.scratch.fewTiles {
			size, list = m.shared.ManyTile(), &many
		} else {
			for _, pos := range b.Positions[q.Start:][:q.Rows] { // a longer context may be in fewer, longer parts
				s.splits = max(s.splits, m.shared.SplitCount(int(pos)+1))
			}
		}
		for i := 0; i < q.Rows; i += size {
			*list = append(*list, int32(q.Start+i), int32(min(size, q.Rows-i)), table, b.Positions[q.Start+i])
		}
	}
	s.few, s.many = len(few)/4, len(many)/4
	h.OutputRows, h.FewTiles, h.ManyTiles = section(outputs), section(few), section(many)
	if s.scored {
		h.Targets = section(s.targets())
	}
	var copies []int32
	for _, c := range b.Copies {
		copies = append(copies, c.From, c.To)
	}
	h.Copies, h.CopyCount = section(copies), uint32(len(b.Copies))
	h.FewCount, h.ManyCount, h.Splits = uint32(s.few), uint32(s.many), uint32(s.splits)
	raw := m.raw[:0]
	for _, w := range words {
		raw = binary.LittleEndian.AppendUint32(raw, w)
	}
	m.words, m.raw = words, raw
	if err := m.device.Write(m.buffers.input, 0, raw); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if err := m.device.Write(m.buffers.step, 0, h.Append(nil)); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// targets are the tokens that outputs are scored for, 0 for those that want no score.
func (s *step) targets() []int32 {
	targets, at := make([]int32, s.outputs), 0
	for _, q := range s.batch.Sequences {
		if q.Want == batch.WantScore {
			copy(targets[at:], q.Targets)
		}
		at += q.Outputs
	}
	return targets
}

// verifies reports whether a sequence's rows are a token and proposals of what follows it: each is computed as it would be alone.
func verifies(q batch.Sequence) bool {
	const most = 16 // a row for each proposal costs one tile; more are cheaper in larger ones
	return q.Outputs == q.Rows && q.Rows <= most
}

// run records all layers and submits them once.
func (s *step) run() (*Flight, error) {
	m, b := s.model, s.model.buffers
	s.pass = m.device.Begin("step")
	if n := len(s.batch.Copies); n > 0 {
		for _, layer := range m.kv {
			m.blocks.Run(s.pass, n, b.step, b.input, layer)
		}
	}
	for _, g := range m.gathers {
		g.gather.Run(s.pass, s.rows, b.step, b.input, g.part.weights, b.top, b.x)
	}
	for _, block := range m.weights.blocks {
		block.record(s)
	}
	for _, r := range s.reads {
		s.pass.Read(r.from, 0, r.to)
	}
	f := &Flight{batch: s.batch}
	if s.outputs > 0 {
		m.norm.Run(s.pass, s.outputs, b.step, b.input, b.x, m.weights.norm.buffer, b.normed)
		m.head.record(s.pass, s.outputs, shaders.LinearArgs{Step: b.step, X: b.normed, Y: b.logits})
		f.candidates = m.topK.Capacity(max(1, s.batch.TopK))
		m.topK.Run(s.pass, s.outputs, f.candidates, shaders.TopKArgs{Step: b.step, Logits: b.logits, Candidates: b.slices, Y: b.top})
		f.top = make([]byte, s.outputs*f.candidates*8)
		s.pass.Read(b.top, 0, f.top)
		if s.scored {
			m.score.Run(s.pass, s.outputs, b.step, b.input, b.logits, b.scores)
			f.scores = make([]byte, s.outputs*shaders.ScoreBytes)
			s.pass.Read(b.scores, 0, f.scores)
		}
		f.logits = s.readLogits()
	}
	var err error
	f.Behind = m.latest != nil && !m.latest.Done()
	start := time.Now()
	if f.fence, err = s.pass.Submit(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	f.Submit = time.Since(start)
	m.latest = f.fence
	m.fed = fed{s.outputs, f.candidates}
	return f, nil
}

// readLogits asks for the logits of the rows that want them; raw[i] is nil for the others.
func (s *step) readLogits() (raw [][]byte) {
	c := s.model.plan.Config
	for _, q := range s.batch.Sequences {
		for range q.Outputs {
			var dst []byte
			if q.Want == batch.WantLogits {
				dst = make([]byte, 4*c.Vocab)
				s.pass.Read(s.model.buffers.logits, uint64(len(raw)*4*shaders.PadCols(c.Vocab)), dst)
			}
			raw = append(raw, dst)
		}
	}
	return raw
}

// collect makes the outputs from what was read back. A row whose logits are all NaN gets token -1.
func (f *Flight) collect() []batch.Output {
	var out []batch.Output
	for _, q := range f.batch.Sequences {
		for range q.Outputs {
			i := len(out)
			ids, logits := shaders.DecodeTopK(f.top[i*f.candidates*8:], max(1, f.batch.TopK))
			o := batch.Output{Token: -1}
			if len(ids) > 0 {
				o.Token = ids[0]
			}
			switch q.Want {
			case batch.WantTop:
				o.TopIDs, o.TopLogits = ids, logits
			case batch.WantLogits:
				o.Logits = make([]float32, len(f.logits[i])/4)
				for j := range o.Logits {
					o.Logits[j] = math.Float32frombits(binary.LittleEndian.Uint32(f.logits[i][4*j:]))
				}
			case batch.WantScore:
				o.Score = shaders.DecodeScore(f.scores[i*shaders.ScoreBytes:])
			}
			out = append(out, o)
		}
	}
	return out
}

package model

import (
	"encoding/binary"
	"fmt"
	"time"

	"umbra/gpu"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// step is a micro-batch on its way to the device of one stage.
type step struct {
	stage  *stage
	micro  *micro
	batch  *batch.Batch // the micro-batch's rows
	pass   *gpu.Pass
	header shaders.Step

	rows, outputs     int
	few, splits, many int // attention tiles, see shaders.Attention.Run
}

// check refuses a batch that the model was not sized for.
func (m *Model) check(b *batch.Batch) error {
	p, rows, outputs := m.plan, len(b.Tokens), b.Outputs()
	switch {
	case rows == 0:
		return fmt.Errorf("model: empty batch")
	case rows > p.BatchTokens:
		return fmt.Errorf("model: batch of %d rows is above the %d the model was opened for", rows, p.BatchTokens)
	case len(b.Positions) != rows || len(b.Slots) != rows:
		return fmt.Errorf("model: batch of %d tokens has %d positions and %d slots", rows, len(b.Positions), len(b.Slots))
	case len(b.Sequences) > p.Sequences:
		return fmt.Errorf("model: batch of %d sequences is above the %d the model was opened for", len(b.Sequences), p.Sequences)
	case outputs > p.Outputs:
		return fmt.Errorf("model: batch with %d outputs is above the %d the model was opened for", outputs, p.Outputs)
	case b.TopK < 0 || b.TopK > shaders.MaxTopK:
		return fmt.Errorf("model: top-k of %d is outside 0..%d", b.TopK, shaders.MaxTopK)
	}
	slots := int32(p.pool(b) * BlockSize)
	for i, t := range b.Tokens {
		switch pos := b.Positions[i]; {
		case t < 0 && int(^t) >= m.given():
			return fmt.Errorf("model: row %d is fed by output %d of the batch before, which has %d", i, ^t, m.given())
		case int(t) >= p.Config.Vocab:
			return fmt.Errorf("model: row %d: token %d is outside the vocabulary of %d", i, t, p.Config.Vocab)
		case pos < 0 || int(pos) >= p.Context:
			return fmt.Errorf("model: row %d: position %d is outside the context of %d", i, pos, p.Context)
		case b.Slots[i] < 0 || b.Slots[i] >= slots:
			return fmt.Errorf("model: row %d: slot %d is outside the pool of %d", i, b.Slots[i], slots)
		}
	}
	if err := m.checkCopies(b); err != nil {
		return err
	}
	next := 0
	for i, q := range b.Sequences {
		if q.Start != next || q.Rows < 1 || q.Rows > rows-next || q.Outputs < 0 || q.Outputs > q.Rows {
			return fmt.Errorf("model: sequence %d: rows %d+%d with %d outputs do not follow row %d of %d", i, q.Start, q.Rows, q.Outputs, next, rows)
		}
		if err := m.checkTargets(i, q); err != nil {
			return err
		}
		next += q.Rows
		last := int(b.Positions[next-1])
		if err := p.checkTables(i, q, int(b.Positions[q.Start]), last); err != nil {
			return err
		}
		for row := q.Start; row < next; row++ {
			pos := b.Positions[row]
			if first := b.Positions[q.Start]; pos != first+int32(row-q.Start) {
				return fmt.Errorf("model: row %d: position %d does not follow %d", row, pos, b.Positions[row-1])
			}
			if want := q.Blocks[int(pos)/BlockSize-q.Past]*BlockSize + pos%BlockSize; b.Slots[row] != want {
				return fmt.Errorf("model: row %d: slot %d is not slot %d, where its block holds position %d", row, b.Slots[row], want, pos)
			}
		}
	}
	if next != rows {
		return fmt.Errorf("model: sequences have %d rows of %d", next, rows)
	}
	return nil
}

// checkTargets refuses scores of tokens that are none.
func (m *Model) checkTargets(i int, q batch.Sequence) error {
	if q.Want != batch.WantScore {
		return nil
	}
	if len(q.Targets) != q.Outputs {
		return fmt.Errorf("model: sequence %d: %d targets for %d outputs", i, len(q.Targets), q.Outputs)
	}
	for _, t := range q.Targets {
		if t < 0 || int(t) >= m.plan.Config.Vocab {
			return fmt.Errorf("model: sequence %d: target %d is outside the vocabulary of %d", i, t, m.plan.Config.Vocab)
		}
	}
	return nil
}

// checkCopies refuses copies whose order would matter. A target is still free to be written by rows: copies come first.
func (m *Model) checkCopies(b *batch.Batch) error {
	const source, target = 1, 2
	roles := map[int32]int{}
	for i, c := range b.Copies {
		for _, block := range []int32{c.From, c.To} {
			if block < 0 || int(block) >= m.plan.Blocks {
				return fmt.Errorf("model: copy %d of block %d to %d: block %d is outside the pool of %d", i, c.From, c.To, block, m.plan.Blocks)
			}
		}
		if roles[c.To]&target != 0 {
			return fmt.Errorf("model: copy %d of block %d to %d: another copy writes block %d too", i, c.From, c.To, c.To)
		}
		roles[c.From] |= source
		roles[c.To] |= target
	}
	for i, c := range b.Copies {
		if roles[c.To] == source|target || roles[c.From] == source|target {
			return fmt.Errorf("model: copy %d of block %d to %d: one of them is both read and written by copies", i, c.From, c.To)
		}
	}
	return nil
}

// upload packs the batch and writes it to the device.
func (s *step) upload() error {
	b, m := s.batch, s.stage
	h := &s.header
	words := m.words[:0]
	section := func(v []int32) uint32 {
		at := uint32(len(words))
		for _, x := range v {
			words = append(words, uint32(x))
		}
		return at
	}
	h.Rows, h.Outputs, h.Fed = uint32(s.rows), uint32(s.outputs), uint32(2*m.fed)
	h.Tokens, h.Positions = section(b.Tokens), section(b.Positions)
	h.Rotations = uint32(len(words))
	words = m.angles.append(words, b.Positions)
	if m.local != nil {
		h.LocalRotations = uint32(len(words))
		words = m.local.append(words, b.Positions)
	}
	var outputs []int32
	for _, q := range b.Sequences {
		for row := q.Rows - q.Outputs; row < q.Rows; row++ {
			outputs = append(outputs, int32(q.Start+row))
		}
	}
	few, many := s.tiles()
	h.OutputRows = section(outputs)
	if s.micro.scored() {
		h.Targets = section(s.targets())
	}
	var copies []int32
	for _, c := range b.Copies {
		copies = append(copies, c.From, c.To)
	}
	h.Copies, h.CopyCount = section(copies), uint32(len(b.Copies))
	h.FewCount, h.ManyCount, h.Splits = uint32(s.few), uint32(s.many), uint32(s.splits)
	var headers []byte
	for lane := range m.plan.Lanes() {
		tables, slots := s.lane(lane, section)
		h.Slots = section(slots)
		h.FewTiles, h.ManyTiles = section(few.with(tables)), section(many.with(tables))
		headers = h.Append(append(headers, make([]byte, lane*shaders.LaneBytes-len(headers))...))
	}
	raw := m.raw[:0]
	for _, w := range words {
		raw = binary.LittleEndian.AppendUint32(raw, w)
	}
	m.words, m.raw = words, raw
	if err := m.device.Write(m.buffers.input, 0, raw); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if err := m.device.Write(m.buffers.step, 0, headers); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if !m.plan.span.begins() {
		if err := m.device.Write(m.buffers.x, 0, s.micro.x); err != nil {
			return fmt.Errorf("model: %w", err)
		}
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

// many says of each sequence whether its rows are attended to in tiles of several, by the kernel for many rows.
func (p Plan) many(b *batch.Batch) []bool {
	all, few := make([]bool, len(b.Sequences)), 0
	for i, q := range b.Sequences {
		if all[i] = q.Rows > shaders.FewRows && !verifies(q) || few+q.Rows > p.scratch.fewTiles; !all[i] {
			few += q.Rows
		}
	}
	return all
}

// verifies reports whether a sequence's rows are a token and proposals of what follows it: each is computed as it would be alone.
func verifies(q batch.Sequence) bool {
	const most = 16 // a row for each proposal costs one tile; more are cheaper in larger ones
	return q.Outputs == q.Rows && q.Rows <= most
}

// run records the stage's layers and submits them once. What it returns is read back with it.
func (s *step) run() (*leg, error) {
	m, b := s.stage, s.stage.buffers
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
	l := &leg{micro: s.micro}
	if !m.plan.span.ends() || s.micro.flight.hidden {
		l.x = s.micro.flight.model.room(s.rows * 4 * shaders.PadCols(m.plan.Config.Embed))
		s.pass.Read(b.x, 0, l.x)
	}
	if s.outputs > 0 && m.plan.span.ends() {
		s.output(l)
	}
	start := time.Now()
	var err error
	if l.fence, err = s.pass.Submit(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	l.submit = time.Since(start)
	m.fed = l.candidates
	return l, nil
}

// output records what comes after the layers, for the rows that want it.
func (s *step) output(l *leg) {
	m, b := s.stage, s.stage.buffers
	m.norm.Run(s.pass, s.outputs, shaders.NormArgs{Step: b.step, Input: b.input, X: b.x, Gain: m.weights.norm.buffer, Bias: m.weights.normBias.there(), Y: b.normed})
	m.head.record(s.pass, s.outputs, shaders.LinearArgs{Step: b.step, X: b.normed, Y: b.logits, Bias: m.weights.bias.there()})
	l.candidates = m.topK.Capacity(max(1, s.batch.TopK))
	m.topK.Run(s.pass, s.outputs, l.candidates, shaders.TopKArgs{Step: b.step, Logits: b.logits, Candidates: b.slices, Y: b.top})
	l.top = make([]byte, s.outputs*l.candidates*8)
	s.pass.Read(b.top, 0, l.top)
	if s.micro.scored() {
		m.score.Run(s.pass, s.outputs, b.step, b.input, b.logits, b.scores)
		l.scores = make([]byte, s.outputs*shaders.ScoreBytes)
		s.pass.Read(b.scores, 0, l.scores)
	}
	l.logits = s.readLogits()
}

// readLogits asks for the logits of the rows that want them; raw[i] is nil for the others.
func (s *step) readLogits() (raw [][]byte) {
	c := s.stage.plan.Config
	for _, q := range s.batch.Sequences {
		for range q.Outputs {
			var dst []byte
			if q.Want == batch.WantLogits {
				dst = make([]byte, 4*c.Vocab)
				s.pass.Read(s.stage.buffers.logits, uint64(len(raw)*4*shaders.PadCols(c.Vocab)), dst)
			}
			raw = append(raw, dst)
		}
	}
	return raw
}

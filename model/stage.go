package model

import (
	"fmt"

	"umbra/gpu"
	"umbra/shaders"
)

// stage is a run of a model's layers on a device: their weights and KV pool, and scratch. The first embeds tokens, the last has the
// head. A model on one device is one stage.
type stage struct {
	name    string // of its device and layers in errors, "" where it is the only one
	device  *gpu.Device
	tuning  shaders.Tuning
	plan    Plan // of the stage alone
	weights *weights
	kv      []shaders.KV // by column of a block: a layer each, where they are one lane
	buffers buffers
	angles  rotation  // of each rotated pair
	local   *rotation // those of layers with a window, where they differ

	gathers []gatherOp
	norm    *shaders.Norm
	head    projection
	topK    *shaders.TopK
	score   *shaders.Score
	blocks  *shaders.BlockCopy // of all layers
	linears map[shaders.LinearShape]*shaders.Linear
	ropes   map[shaders.RopeShape]*shaders.Rope
	experts expertOps
	// attentions are those of all shapes of layers, which have their tiles in common.
	attentions []*shaders.Attention
	normed     map[shaders.NormShape]*shaders.Norm

	watched []*squares

	fed     int      // candidates of each output of its latest step, which the next may be fed from on the device
	words   []uint32 // of the last step's input, kept for its room
	raw     []byte   // the same as bytes
	depth   int      // legs that may be on the device at once
	flying  []*leg   // on the device, oldest first
	sent    int      // legs so far
	waiting []*micro // to be handed over next, in order
}

type gatherOp struct {
	gather *shaders.Gather
	part   *part
}

func newStage(p Place, plan Plan) *stage {
	return &stage{device: p.Device, tuning: p.Tuning, plan: plan, weights: plan.weights,
		linears: map[shaders.LinearShape]*shaders.Linear{}, ropes: map[shaders.RopeShape]*shaders.Rope{},
		normed: map[shaders.NormShape]*shaders.Norm{}}
}

// build works rotations out and makes the buffers.
func (m *stage) build(src Source) (err error) {
	c := m.plan.Config
	if m.angles, err = c.Rope.rotation(src, m.weights.factors.of(m.plan.Context, c.Rope)); err != nil {
		return err
	}
	if c.LocalRope != nil {
		local, err := c.LocalRope.rotation(src, nil)
		if err != nil {
			return err
		}
		m.local = &local
	}
	return m.allocate()
}

// named is an error of the stage's device, which says which one it is where there are several.
func (m *stage) named(err error) error {
	if m.name == "" || err == nil {
		return err
	}
	return fmt.Errorf("model: %s: %w", m.name, err)
}

// prepare makes the launchers. It compiles the kernels that all steps need in one form.
func (m *stage) prepare() (err error) {
	c, w := m.plan.Config, m.weights
	if m.plan.span.begins() {
		if err := m.gather(w.embed, shaders.GatherShape{Cols: c.Embed, Scale: c.EmbedScale}); err != nil {
			return err
		}
		if w.position != nil {
			if err := m.gather(w.position, shaders.GatherShape{Cols: c.Embed, Positions: true}); err != nil {
				return err
			}
		}
	}
	for _, b := range w.blocks {
		if err := b.prepare(m); err != nil {
			return err
		}
	}
	m.blocks = shaders.NewBlockCopy(m.device, m.plan.kv)
	if m.plan.span.ends() {
		if err := m.prepareHead(); err != nil {
			return err
		}
	}
	if m.plan.squares {
		return m.watch()
	}
	return nil
}

// prepareHead makes the launchers of what comes after the layers.
func (m *stage) prepareHead() (err error) {
	c := m.plan.Config
	if m.norm, err = m.norms(c.outputNorm(m.weights.normBias != nil)); err != nil {
		return err
	}
	m.topK = shaders.NewTopK(m.device, m.tuning, c.Vocab)
	m.score = shaders.NewScore(m.device, c.Vocab)
	m.head = m.plan.head()
	return m.head.prepare(m)
}

// outputNorm is the norm of rows that want output.
func (c Config) outputNorm(bias bool) shaders.NormShape {
	return shaders.NormShape{Cols: c.Embed, Eps: c.Eps, Mean: c.LayerNorm, Bias: bias, Outputs: true}
}

// gather makes the launchers that look up rows of a table.
func (m *stage) gather(table *matrix, s shaders.GatherShape) error {
	for i := range table.parts {
		p := &table.parts[i]
		s.Format, s.N, s.First = table.format, p.rows, p.first
		g, err := shaders.NewGather(m.device, s)
		if err != nil {
			return err
		}
		m.gathers = append(m.gathers, gatherOp{g, p})
	}
	return nil
}

// attention returns the launcher that all layers of a shape share.
func (m *stage) attention(s shaders.AttentionShape) (*shaders.Attention, error) {
	for _, a := range m.attentions {
		if a.Shape == s {
			return a, nil
		}
	}
	a, err := shaders.NewAttention(m.device, m.tuning, s)
	if err == nil {
		m.attentions = append(m.attentions, a)
	}
	return a, err
}

// norms returns the launcher that all norms of a shape share.
func (m *stage) norms(s shaders.NormShape) (*shaders.Norm, error) {
	if n := m.normed[s]; n != nil {
		return n, nil
	}
	n, err := shaders.NewNorm(m.device, m.tuning, s)
	if err == nil {
		m.normed[s] = n
	}
	return n, err
}

// linear returns the launcher that all matrices of a shape share: layers are alike, and each launcher specialises its
// sources once.
func (m *stage) linear(s shaders.LinearShape) (*shaders.Linear, error) {
	if l := m.linears[s]; l != nil {
		return l, nil
	}
	l, err := shaders.NewLinear(m.device, m.tuning, s)
	if err != nil {
		return nil, err
	}
	l.Parts = m.buffers.sums
	m.linears[s] = l
	return l, nil
}

// rope returns the launcher that all layers of a shape share.
func (m *stage) rope(s shaders.RopeShape) (*shaders.Rope, error) {
	if r := m.ropes[s]; r != nil {
		return r, nil
	}
	r, err := shaders.NewRope(m.device, s)
	if err != nil {
		return nil, err
	}
	m.ropes[s] = r
	return r, nil
}

// release gives all buffers back.
func (m *stage) release() {
	m.weights.release()
	for _, layer := range m.kv {
		for _, chunk := range layer {
			chunk.Release()
		}
	}
	m.buffers.release()
}

// allocate makes the KV pool and the scratch buffers.
func (m *stage) allocate() (err error) {
	for i := range m.plan.depth {
		var layer shaders.KV
		for c := range m.plan.kv.Chunks() {
			b, err := m.device.NewBuffer(fmt.Sprintf("kv, column %d, chunk %d", i, c), gpu.KV, uint64(m.plan.kv.ChunkBytes(c)))
			if err != nil {
				m.kv = append(m.kv, layer)
				return fmt.Errorf("model: %w", err)
			}
			layer = append(layer, b)
		}
		m.kv = append(m.kv, layer)
	}
	return m.buffers.allocate(m.device, m.plan.scratch)
}

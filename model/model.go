package model

import (
	"fmt"

	"umbra/gpu"
	"umbra/shaders"
)

// Model is a model on a device: weights, KV pool and scratch. One goroutine at a time may use it.
type Model struct {
	device  *gpu.Device
	tuning  shaders.Tuning
	plan    Plan
	weights *weights
	kv      []shaders.KV // by layer
	buffers buffers
	freqs   []float64 // rotation per position of each rotated pair, radians

	gathers []gatherOp
	norm    *shaders.RMSNorm
	head    projection
	topK    *shaders.TopK
	score   *shaders.Score
	shared  *shaders.Attention // of all layers
	blocks  *shaders.BlockCopy // of all layers
	linears map[shaders.LinearShape]*shaders.Linear
	ropes   map[shaders.RopeShape]*shaders.Rope

	watched []*projection // those that sum their inputs up

	latest *gpu.Fence // of the latest batch
	fed    fed        // what the next batch may be fed from
	words  []uint32   // of the last step's input, kept for its room
	raw    []byte     // the same as bytes
}

// fed is what the latest batch leaves on the device: the candidates of its outputs.
type fed struct{ outputs, candidates int }

type gatherOp struct {
	gather *shaders.Gather
	part   *part
}

// New lays the source's model out on the device and loads it.
func New(d *gpu.Device, src Source, o Options) (*Model, error) {
	return NewTuned(d, shaders.TuningFor(d.Info()), src, o)
}

// NewTuned is New with kernels shaped as told instead of by the adapter's kind.
func NewTuned(d *gpu.Device, tuning shaders.Tuning, src Source, o Options) (*Model, error) {
	return newWithin(d, d.Limits(), tuning, src, o)
}

// newWithin is NewTuned where buffers and bindings are kept within limits; tests give smaller ones than the device's.
func newWithin(d *gpu.Device, limits gpu.Limits, tuning shaders.Tuning, src Source, o Options) (*Model, error) {
	plan, err := PlanFor(src, o, limits)
	if err != nil {
		return nil, err
	}
	m := &Model{device: d, tuning: tuning, plan: plan, weights: plan.weights,
		linears: map[shaders.LinearShape]*shaders.Linear{}, ropes: map[shaders.RopeShape]*shaders.Rope{}}
	if err := m.build(src, o); err != nil {
		m.Release()
		return nil, err
	}
	return m, nil
}

func (m *Model) build(src Source, o Options) (err error) {
	if m.freqs, err = frequencies(src, m.plan.Config.Rope, m.weights.factors); err != nil {
		return err
	}
	if err := m.allocate(); err != nil {
		return err
	}
	return m.start(src, o)
}

// prepare makes the launchers. It compiles the kernels that all steps need in one form.
func (m *Model) prepare() (err error) {
	c, w := m.plan.Config, m.weights
	for i := range w.embed.parts {
		p := &w.embed.parts[i]
		g, err := shaders.NewGather(m.device, shaders.GatherShape{Format: w.embed.format, N: p.rows, Cols: c.Embed, First: p.first})
		if err != nil {
			return err
		}
		m.gathers = append(m.gathers, gatherOp{g, p})
	}
	for _, b := range w.blocks {
		if err := b.prepare(m); err != nil {
			return err
		}
	}
	if m.norm, err = shaders.NewRMSNorm(m.device, c.Embed, c.Eps); err != nil {
		return err
	}
	m.blocks = shaders.NewBlockCopy(m.device, m.plan.kv)
	m.topK = shaders.NewTopK(m.device, m.tuning, c.Vocab)
	m.score = shaders.NewScore(m.device, c.Vocab)
	m.head = m.plan.head()
	if err := m.head.prepare(m); err != nil || !m.plan.squares {
		return err
	}
	return m.watch()
}

// attention returns the launcher that all layers of a shape share.
func (m *Model) attention(s shaders.AttentionShape) (*shaders.Attention, error) {
	if m.shared == nil || m.shared.Shape != s {
		a, err := shaders.NewAttention(m.device, m.tuning, s)
		if err != nil {
			return nil, err
		}
		m.shared = a
	}
	return m.shared, nil
}

// linear returns the launcher that all matrices of a shape share: layers are alike, and each launcher specialises its
// sources once.
func (m *Model) linear(s shaders.LinearShape) (*shaders.Linear, error) {
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
func (m *Model) rope(s shaders.RopeShape) (*shaders.Rope, error) {
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

// Plan is what the model takes and how it is sized.
func (m *Model) Plan() Plan { return m.plan }

// Release gives all buffers back. Releasing twice does nothing.
func (m *Model) Release() {
	m.weights.release()
	for _, layer := range m.kv {
		for _, chunk := range layer {
			chunk.Release()
		}
	}
	m.buffers.release()
}

// allocate makes the KV pool and the scratch buffers.
func (m *Model) allocate() (err error) {
	for i := range m.plan.Config.Layers {
		var layer shaders.KV
		for c := range m.plan.kv.Chunks() {
			b, err := m.device.NewBuffer(fmt.Sprintf("kv of layer %d, chunk %d", i, c), gpu.KV, uint64(m.plan.kv.ChunkBytes(c)))
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

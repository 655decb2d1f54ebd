package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"umbra/gpu"
	"umbra/shaders"
)

// Op is one kernel's speed.
type Op struct {
	Name  string
	Time  time.Duration // of one dispatch, median
	Bytes float64       // that must move through memory, per second
	Flops float64       // per second
	Share float64       // of the adapter's copy bandwidth, or of its multiply-add rate where that is the limit
}

// measured is what an op does in one dispatch.
type measured struct {
	name         string
	bytes, flops float64
	compute      bool // limited by arithmetic
	record       func(p *gpu.Pass, i int)
	plain        func(p *gpu.Pass, i int) // the same by a plain kernel, if there is one
}

// plainRows is the most rows that plain kernels are made to take: more could be too long for a display driver's watchdog.
const plainRows = 512

// Ops measures every kernel that matters for speed, after the adapter's peaks: sizes are those of an 8B model on a GPU,
// of a small one on a CPU.
func Ops(d *gpu.Device, tuning shaders.Tuning, each func(Op)) error {
	o := newOps(d, tuning)
	defer o.release()
	copies, adds, err := o.peaks()
	if err != nil {
		return err
	}
	copied, err := o.measure(copies)
	if err != nil {
		return err
	}
	copied.Share = 1
	each(copied)
	fma, err := o.measure(adds)
	if err != nil {
		return err
	}
	fma.Share = 1
	each(fma)
	o.release()
	for _, make := range o.list() {
		m, err := make()
		if err == nil {
			err = o.err
		}
		if err != nil {
			return err
		}
		op, err := o.measure(m)
		if err != nil {
			return err
		}
		if m.compute {
			op.Share = op.Flops / fma.Flops
		} else {
			op.Share = op.Bytes / copied.Bytes
		}
		each(op)
		o.release()
	}
	return nil
}

// ops makes what is measured, and the buffers for it.
type ops struct {
	device  *gpu.Device
	tuning  shaders.Tuning
	rand    *rand.Rand
	buffers []*gpu.Buffer
	err     error
}

func newOps(d *gpu.Device, tuning shaders.Tuning) *ops {
	return &ops{device: d, tuning: tuning, rand: rand.New(rand.NewPCG(1, 2))}
}

// peaks are what the adapter can do: copy, and multiply and add.
func (o *ops) peaks() (copies, adds measured, err error) {
	peak, err := shaders.NewPeak(o.device)
	if err != nil {
		return copies, adds, err
	}
	size := uint64(1 << 30)
	if o.tuning.Narrow {
		size = 32 << 20
	}
	size = min(size, o.device.Limits().StorageBindingSize&^0xff)
	src, dst, lanes := o.buffer(size), o.buffer(size), o.buffer(shaders.FMABytes)
	copies = measured{name: fmt.Sprintf("copy %d MiB", size>>20), bytes: 2 * float64(size),
		record: func(p *gpu.Pass, _ int) { peak.Copy(p, dst, src) }}
	adds = measured{name: "multiply-add", flops: shaders.FMAFlops, compute: true,
		record: func(p *gpu.Pass, _ int) { peak.FMA(p, lanes) }}
	return copies, adds, o.err
}

func (o *ops) release() {
	for _, b := range o.buffers {
		b.Release()
	}
	o.buffers = nil
}

func (o *ops) buffer(size uint64) *gpu.Buffer {
	b, err := o.device.NewBuffer("bench", gpu.Scratch, size)
	if err != nil {
		if o.err == nil {
			o.err = err
		}
		return nil
	}
	o.buffers = append(o.buffers, b)
	return b
}

// submission times one submission of n dispatches.
func (o *ops) submission(record func(p *gpu.Pass, i int), n int) (time.Duration, error) {
	p := o.device.Begin("bench")
	for i := range n {
		record(p, i)
	}
	start := time.Now()
	f, err := p.Submit()
	if err != nil {
		return 0, err
	}
	err = f.Wait()
	return time.Since(start), err
}

// turns is how many dispatches make a submission long enough that its own cost is little. The first compiles.
func (o *ops) turns(record func(p *gpu.Pass, i int)) (int, error) {
	if _, err := o.submission(record, 1); err != nil {
		return 0, err
	}
	n := 1
	took, err := o.submission(record, n)
	for err == nil && took < 100*time.Millisecond && n < 1<<12 {
		n *= 2
		took, err = o.submission(record, n)
	}
	return n, err
}

// measure takes the median of five submissions.
func (o *ops) measure(m measured) (Op, error) {
	n, err := o.turns(m.record)
	if err != nil {
		return Op{}, err
	}
	var all []time.Duration
	for range 5 {
		took, err := o.submission(m.record, n)
		if err != nil {
			return Op{}, err
		}
		all = append(all, took)
	}
	slices.Sort(all)
	once := all[len(all)/2] / time.Duration(n)
	return Op{Name: m.name, Time: once, Bytes: m.bytes / once.Seconds(), Flops: m.flops / once.Seconds()}, nil
}

// list are the kernels to measure; each is made when its turn comes.
func (o *ops) list() []func() (measured, error) {
	n, k, prefill, contexts := 4096, 14336, 512, []int{1024, 32768}
	heads, kvHeads, dim, vocab := 32, 8, 128, 128_256
	if o.tuning.Narrow {
		n, k, prefill, contexts = 512, 1536, 64, []int{128, 1024}
		heads, kvHeads, dim, vocab = 8, 4, 64, 8192
	}
	var all []func() (measured, error)
	for _, f := range shaders.Formats() {
		all = append(all, func() (measured, error) { return o.linear(f, n, k, 1) })
	}
	for _, f := range shaders.Formats() {
		if f.Name == "q4_0" || f.Name == "q8_0" || f.Name == "q4_k" || f.Name == "q6_k" {
			for _, rows := range []int{4, 8} {
				all = append(all, func() (measured, error) { return o.linear(f, n, k, rows) })
			}
		}
	}
	for _, f := range shaders.Formats() {
		all = append(all, func() (measured, error) { return o.linear(f, n, n, prefill) })
	}
	all = append(all, func() (measured, error) { return o.linear(shaders.Formats()[0], n, n, n) })
	for _, context := range contexts {
		all = append(all, func() (measured, error) { return o.attention(heads, kvHeads, dim, 1, context) })
	}
	all = append(all, func() (measured, error) { return o.attention(heads, kvHeads, dim, prefill, 4*prefill) })
	for _, candidates := range []int{1, shaders.MaxTopK} {
		all = append(all, func() (measured, error) { return o.topK(vocab, candidates) })
	}
	return all
}

// linear measures a product of rows tokens, going round enough copies of the weights that no cache holds them. Where n rows are
// above the binding limit it takes the most that are not.
func (o *ops) linear(f shaders.Format, n, k, rows int) (measured, error) {
	const beyondCaches = 256 << 20
	n = min(n, int(o.device.Limits().StorageBindingSize)/f.QuantBytes(k)&^63)
	weight := n * f.RowBytes(k)
	copies := 1
	if rows <= 8 {
		copies = beyondCaches/weight + 1
	}
	shape := shaders.LinearShape{Format: f, N: n, K: k, Stride: shaders.PadCols(n)}
	l, err := shaders.NewLinear(o.device, o.tuning, shape)
	if err != nil {
		return measured{}, err
	}
	plain, err := shaders.NewPlainLinear(o.device, shape)
	if err != nil {
		return measured{}, err
	}
	a := shaders.LinearArgs{Step: o.step(shaders.Step{Rows: uint32(rows)}), X: o.random(4 * rows * k), Y: o.buffer(uint64(4 * rows * n))}
	var weights []shaders.Weights
	for i := range copies {
		w := shaders.Weights{Quants: o.buffer(uint64(n * f.QuantBytes(k)))}
		if f.HasScales() {
			w.Scales = o.buffer(uint64(n * f.ScaleBytes(k)))
		}
		if o.err != nil {
			return measured{}, o.err
		}
		if err := shaders.FillRandom(o.device, f, k, w, uint32(i+1)); err != nil {
			return measured{}, err
		}
		weights = append(weights, w)
	}
	m := measured{
		name:  fmt.Sprintf("linear %s %dx%d, %d rows", f.Name, n, k, rows),
		bytes: float64(weight + 4*rows*(n+k)), flops: 2 * float64(rows) * float64(n) * float64(k), compute: rows > 8,
		record: func(p *gpu.Pass, i int) {
			a.Weights = weights[i%copies]
			l.Run(p, rows, a)
		},
	}
	if rows <= plainRows {
		m.plain = func(p *gpu.Pass, i int) {
			a.Weights = weights[i%copies]
			plain.Run(p, rows, a)
		}
	}
	return m, l.Warm(rows)
}

// attention measures rows query rows at the end of a context.
func (o *ops) attention(heads, kvHeads, dim, rows, context int) (measured, error) {
	blocks := context / 16
	kv, err := shaders.KVShape{KVHeads: kvHeads, HeadDim: dim, Slots: 16, Blocks: blocks}.Fit(o.device.Limits().StorageBindingSize)
	if err != nil {
		return measured{}, err
	}
	shape := shaders.AttentionShape{KV: kv, Heads: heads, QStride: (heads + 2*kvHeads) * dim, YStride: heads * dim}
	a, err := shaders.NewAttention(o.device, o.tuning, shape)
	if err != nil {
		return measured{}, err
	}
	plain := shaders.NewPlainAttention(a)
	var words []uint32
	for i := range blocks {
		words = append(words, uint32(i*7%blocks)) // 7 shares no factor with a power of two
	}
	few, many, splits := 1, 0, a.SplitCount(context)
	step := shaders.Step{Rows: uint32(rows), FewTiles: uint32(blocks), FewCount: 1, Splits: uint32(splits)}
	if rows > shaders.FewRows {
		few, splits = 0, 1
		step = shaders.Step{Rows: uint32(rows), ManyTiles: uint32(blocks), Splits: 1}
		for r := 0; r < rows; r += a.ManyTile() {
			words = append(words, uint32(r), uint32(min(a.ManyTile(), rows-r)), 0, uint32(context-rows+r))
			many++
		}
		step.ManyCount = uint32(many)
	} else {
		words = append(words, 0, 1, 0, uint32(context-1))
	}
	args := shaders.AttentionArgs{Step: o.step(step), Input: o.words(words), Q: o.random(4 * rows * shape.QStride),
		Y: o.buffer(uint64(4 * rows * shape.YStride)), Partial: o.buffer(uint64(shape.PartialBytes(1, context)))}
	for i := range kv.Chunks() {
		args.KV = append(args.KV, o.random(kv.ChunkBytes(i)))
	}
	if o.err != nil {
		return measured{}, o.err
	}
	seen := float64(rows) * (float64(context) - float64(rows-1)/2) // query and key pairs
	return measured{
		name:  fmt.Sprintf("attention %d/%d heads of %d, %d rows at %d", heads, kvHeads, dim, rows, context),
		bytes: float64(blocks * kv.BlockBytes()), flops: 4 * seen * float64(heads*dim), compute: rows > shaders.FewRows,
		record: func(p *gpu.Pass, _ int) { a.Run(p, few, splits, many, args) },
		plain:  func(p *gpu.Pass, _ int) { plain.Run(p, few, splits, many, args) },
	}, a.Warm(few > 0, splits > 1, many > 0)
}

// topK measures finding the k largest of a row of logits.
func (o *ops) topK(vocab, k int) (measured, error) {
	t := shaders.NewTopK(o.device, o.tuning, vocab)
	a := shaders.TopKArgs{Step: o.step(shaders.Step{Outputs: 1}), Logits: o.random(4 * shaders.PadCols(vocab)), Y: o.buffer(uint64(8 * k))}
	if n := shaders.TopKCandidateBytes(vocab); n > 0 {
		a.Candidates = o.buffer(uint64(n))
	}
	if o.err != nil {
		return measured{}, o.err
	}
	return measured{
		name: fmt.Sprintf("top %d of %d logits", k, vocab), bytes: float64(4 * vocab),
		record: func(p *gpu.Pass, _ int) { t.Run(p, 1, k, a) },
	}, t.Warm(k)
}

// random makes a buffer of random floats, filled on the device.
func (o *ops) random(size int) *gpu.Buffer {
	b := o.buffer(uint64(size))
	if b == nil {
		return nil
	}
	w := shaders.Weights{Quants: b}
	if err := shaders.FillRandom(o.device, shaders.Formats()[0], 1, w, uint32(o.rand.Uint32()>>1)); err != nil && o.err == nil {
		o.err = err
	}
	return b
}

func (o *ops) step(s shaders.Step) *gpu.Buffer {
	b := o.buffer(shaders.StepBytes)
	o.write(b, s.Append(nil))
	return b
}

func (o *ops) words(words []uint32) *gpu.Buffer {
	var raw []byte
	for _, w := range words {
		raw = append(raw, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
	}
	b := o.buffer(uint64(len(raw)))
	o.write(b, raw)
	return b
}

func (o *ops) write(b *gpu.Buffer, raw []byte) {
	if b == nil {
		return
	}
	if err := o.device.Write(b, 0, raw); err != nil && o.err == nil {
		o.err = err
	}
}

package shaders

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"umbra/gpu"
)

// Case checks one kernel at one shape against its Go reference. Cases are what the tests and `umbra selftest` run.
type Case struct {
	Name string
	// More says that others stand for the case, as what it has of its own each has been run with something else: a kernel of other formats' cases,
	// say, with a decoder of this format's. Where compiling takes seconds it is enough that it compiles.
	More bool
	// Own says that the case names its kernel, so that the shape of kernels is nothing to it.
	Own bool
	run func(b *bench) error
}

// Result is the outcome of a Case.
type Result struct {
	Name string
	// Error is the largest |got - want| over max(1, |want|); Tolerance is what the operation allows.
	Error, Tolerance float64
	// Time is the wall time of one submission with a readback, compilation apart.
	Time time.Duration
}

// OK reports whether the error is within the tolerance.
func (r Result) OK() bool { return r.Error <= r.Tolerance }

// Run runs a case on a device with either shape of kernels.
func (c Case) Run(d *gpu.Device, tuning Tuning) (Result, error) {
	b := &bench{device: d, tuning: tuning, rand: rand.New(rand.NewPCG(1, uint64(len(c.Name)))), result: Result{Name: c.Name}}
	defer b.release()
	err := c.run(b)
	return b.result, err
}

// Compile goes through a case without running its kernels: their texts and bindings are checked, and drivers that compile late do not.
func (c Case) Compile(d *gpu.Device, tuning Tuning) error {
	b := &bench{device: d, tuning: tuning, rand: rand.New(rand.NewPCG(1, uint64(len(c.Name)))), compileOnly: true}
	defer b.release()
	if err := c.run(b); !errors.Is(err, errCompiled) {
		return err
	}
	return nil
}

// errCompiled ends a case that only compiles.
var errCompiled = errors.New("shaders: compiled")

// Cases lists every case: each operation, format and variant, with awkward shapes.
func Cases() []Case {
	var all []Case
	for _, add := range []func() []Case{linearCases, attentionCases, ropeCases, blockCopyCases, rowCases, topKCases, scoreCases, squaresCases, expertCases} {
		all = append(all, add()...)
	}
	return all
}

// bench holds what a case makes.
type bench struct {
	device      *gpu.Device
	tuning      Tuning
	rand        *rand.Rand
	buffers     []*gpu.Buffer
	step        *gpu.Buffer
	plain       bool // PlainAttention instead of Attention
	compileOnly bool // work is recorded, never submitted
	input       *gpu.Buffer
	result      Result
	output      []byte // what submit has read back
	err         error
}

func (b *bench) release() {
	for _, x := range b.buffers {
		x.Release()
	}
}

// buffer makes a buffer of data, at least one vector long.
func (b *bench) buffer(label string, data []byte) *gpu.Buffer {
	x, err := b.device.NewBuffer(label, gpu.Scratch, uint64(max(16, len(data))))
	if err == nil {
		b.buffers = append(b.buffers, x)
		err = b.device.Write(x, 0, data)
	}
	if err != nil && b.err == nil {
		b.err = err
	}
	return x
}

// rows makes a buffer of float rows padded to whole blocks.
func (b *bench) rows(label string, data []float32, cols int) *gpu.Buffer {
	return b.buffer(label, floatBytes(padRows(data, cols)))
}

// weights makes random weights and returns them decoded, without padding.
func (b *bench) weights(f Format, rows, cols int) (Weights, []float32) {
	q, s := f.Random(b.rand, rows, cols)
	w := Weights{Quants: b.buffer("quants", q)}
	if f.HasScales() {
		w.Scales = b.buffer("scales", s)
	}
	padded := f.Decode(q, s, rows, cols)
	values := make([]float32, 0, rows*cols)
	for r := range rows {
		values = append(values, padded[r*pad(cols):r*pad(cols)+cols]...)
	}
	return w, values
}

// normals returns n standard normal numbers.
func (b *bench) normals(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(b.rand.NormFloat64())
	}
	return v
}

// inputs uploads a step and its input words.
func (b *bench) inputs(s Step, words []uint32) {
	b.step = b.buffer("step", s.Append(nil))
	b.input = b.buffer("input", wordBytes(words))
}

// submit records work and reads n bytes of dst back.
func (b *bench) submit(dst *gpu.Buffer, n int, record func(p *gpu.Pass)) ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	p := b.device.Begin(b.result.Name)
	record(p)
	out := make([]byte, n)
	b.output = out
	p.Read(dst, 0, out)
	if b.compileOnly {
		p.Fail(errCompiled)
	}
	start := time.Now()
	f, err := p.Submit()
	if err != nil {
		return nil, err
	}
	err = f.Wait()
	b.result.Time = time.Since(start)
	return out, err
}

// compare takes the error of got against want, where a row is stride long and cols of it count.
func (b *bench) compare(got []byte, want []float32, cols, stride int, tolerance float64) {
	b.result.Tolerance = tolerance
	for i, w := range want {
		if i%stride >= cols {
			continue
		}
		g := math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:]))
		e := math.Abs(float64(g)-float64(w)) / max(1, math.Abs(float64(w)))
		if e > b.result.Error || e != e {
			b.result.Error = e
		}
		if e != e {
			b.result.Error = math.Inf(1)
			return
		}
	}
}

func wordBytes(words []uint32) []byte {
	b := make([]byte, 0, 4*len(words))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

func floatBytes(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// padRows lays rows of cols values at a stride of whole blocks, zeros between.
func padRows(v []float32, cols int) []float32 {
	out := make([]float32, 0, len(v)/max(1, cols)*pad(cols))
	for i := 0; i < len(v); i += cols {
		out = append(append(out, v[i:i+cols]...), make([]float32, pad(cols)-cols)...)
	}
	return out
}

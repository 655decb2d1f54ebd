// Package umbra runs large language models on any GPU that WebGPU reaches: Vulkan, Metal, D3D12, or a CPU through
// lavapipe.
//
//	engine, err := umbra.Open("model.gguf", umbra.Options{})
//	...
//	defer engine.Close()
//	result, err := engine.Generate(ctx, umbra.Request{Prompt: "package main\n", MaxTokens: 64},
//		func(c umbra.Chunk) error { _, err := fmt.Print(c.Text); return err })
//
// Stream is the same as an iterator, Batch runs many requests, Chat takes conversations with models that have a chat template, Embed makes vectors. All
// methods of an Engine may be called from several goroutines at the same time, Close too; a context that ends ends its request at the next step.
//
// Requests made at the same time, from several goroutines, are batched together. What each gets does not depend on it, but for
// the rounding of sums: kernels for other numbers of rows may add in another order, which shows where two tokens are
// all but equally likely.
package umbra

import (
	"errors"
	"fmt"
	"io"
	"time"

	"umbra/gpu"
	"umbra/model"
	"umbra/model/chat"
	"umbra/model/gguf"
	"umbra/model/kvswap"
	"umbra/model/tokenizer"
	"umbra/scheduler"
	"umbra/shaders"
	"umbra/shaders/tuned"
)

// Options size an engine and choose its device. Zero values are defaults.
type Options struct {
	// Adapter forces an adapter: its index, its kind (discrete, integrated, cpu) or part of its name.
	Adapter string
	// Limits is what the device is asked for: all the adapter has (the default), or with gpu.FloorLimits only what every WebGPU
	// device has. Weights and KV are split to fit.
	Limits gpu.LimitSet
	// Context is the longest sequence in tokens; 0 is the model's own, up to 8192.
	Context int
	// KVType is the element type of KV pages, "f32" (the default), "f16" or "int8".
	KVType string
	// Sequences is how many sequences run at once; 0 is 16. BatchTokens is the token rows of a step; 0 is 512.
	Sequences, BatchTokens int
	// Blocks is the size of the KV pool in blocks of 16 tokens; 0 is enough for one Context, and for more sequences
	// up to 1 GiB. KVBytes gives the size in bytes instead, rounded down to whole blocks; it must hold one Context. KVShare,
	// above 0 and at most 1, gives it as the share of what weights and scratch leave of the adapter's memory, where its size can
	// be found out (gpu.AdapterInfo.Memory).
	Blocks  int
	KVBytes uint64
	KVShare float64
	// NoPrefixReuse has every prompt computed from its first token, even if the KV pool still holds its beginning.
	NoPrefixReuse bool
	// Policy is the order in which requests are served: scheduler.FCFS (the default) or scheduler.Priority.
	Policy scheduler.Policy
	// Preemption is what becomes of keys and values of a request that loses its KV blocks to one before it: scheduler.Recompute
	// (the default) computes them again, scheduler.Swap keeps them on the host meanwhile, scheduler.Auto takes the cheaper of
	// both by what has been measured.
	Preemption scheduler.Preemption
	// SwapBytes is the host memory for that; 0 is 1 GiB. It is taken as it is needed. SwapDiskBytes is how much more may be
	// spilled to files in SwapDir, compressed; 0 is none. SwapDir "" is a folder in the system's temporary one; Close removes
	// what is left.
	SwapBytes, SwapDiskBytes uint64
	SwapDir                  string
	// Speculation says where proposals of several tokens a step come from; the zero value makes none.
	Speculation Speculation
	// Synchronous lays no step out before the one before it is over. It is slower, and for measurements.
	Synchronous bool
	// Tuned takes the kernels that `umbra tune` found fastest on this adapter, from the user's cache folder (package shaders/tuned). A file that
	// does not fit is told to Warn and left alone; where there is none, and without Tuned, kernels are the defaults.
	Tuned bool
	// Warn is told of what ends no request, such as a full disk or weights expanded at load, by the goroutine that makes the next step, or by Open's. Nil: nobody is.
	Warn func(error)
	// Profile measures kernels with timestamps; see Engine.Profile.
	Profile bool
	// OnStep is told of each step when it is over, by the goroutine that makes the next: it must be quick, and not call the
	// engine. Nil costs nothing.
	OnStep func(StepRecord)
	// Lazy ends Open when the weights are on the device, with the kernels that were compiled meanwhile; others are compiled when a step
	// needs them. The first token of a single request comes sooner so. Without it Open compiles what decoding and prefill of
	// long prompts need.
	Lazy bool
	// Progress is told how many bytes of weights have been sent to the device.
	Progress func(done, total int64)
}

// Engine is a model opened on a device, with the loop that runs requests.
type Engine struct {
	file   io.Closer // nil if the source is not ours to close
	device *gpu.Device
	model  *model.Model
	tokens *tokenizer.Tokenizer // nil if the source has none
	eog    []int32
	store  *kvswap.Store // nil if nothing is swapped
	draft  *model.Model  // nil if no draft model makes proposals
	loop   *loop
	opened Opened
	tuned  Tuned

	template    func() (*chat.Template, error) // the model's, read when it is first asked for
	fingerprint string                         // of the file, once it has been asked for; the loop's own
}

// Open opens a GGUF file.
func Open(path string, o Options) (*Engine, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	return open(f, o)
}

// OpenBytes opens a GGUF file held in memory, which must stay unchanged until Close. name is used in errors.
func OpenBytes(name string, data []byte, o Options) (*Engine, error) {
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return open(f, o)
}

// OpenSource opens a model that is not a file, say one of random weights (model.Synthetic). It has no tokenizer: requests
// give Tokens instead of a Prompt, no Stop, and get tokens without text; none of them ends a continuation.
func OpenSource(src model.Source, o Options) (*Engine, error) {
	return (&Engine{template: noTemplate}).open(src, o)
}

// open opens a file, which is the engine's from then on.
func open(f *gguf.File, o Options) (*Engine, error) {
	tokens, err := tokenizer.New(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return (&Engine{file: f, tokens: tokens, template: templateOf(f, tokens)}).open(f, o)
}

func (e *Engine) open(src model.Source, o Options) (_ *Engine, err error) {
	defer func() {
		if err != nil {
			e.release()
		}
	}()
	sizes, err := o.sizes()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if e.device, err = gpu.Open(o.device()); err != nil {
		return nil, err
	}
	e.opened.Device = time.Since(start)
	if o.KVShare != 0 {
		if sizes.KVBytes, err = o.share(src, sizes, e.device.Info()); err != nil {
			return nil, err
		}
	}
	start = time.Now()
	if e.model, err = model.NewTuned(e.device, e.tuning(o), src, sizes); err != nil {
		return nil, err
	}
	e.opened.Model = time.Since(start)
	p := e.model.Plan()
	for _, x := range p.Expanded {
		if o.Warn != nil {
			o.Warn(errors.New(x.String()))
		}
	}
	c := scheduler.Config{BlockSize: model.BlockSize, Blocks: p.Blocks, MaxBatchTokens: p.BatchTokens, MaxSequences: p.Sequences,
		Context: p.Context, Vocabulary: p.Config.Vocab, NoPrefixReuse: o.NoPrefixReuse, Policy: o.Policy}
	steps := stepper{model: e.model, synchronous: o.Synchronous, record: o.OnStep}
	if o.Preemption != scheduler.Recompute {
		room, err := o.swap(p)
		if err != nil {
			return nil, err
		}
		if e.store, err = kvswap.New(room); err != nil {
			return nil, err
		}
		c.Preemption, c.Store = o.Preemption, e.store
		steps.swapper = &swapper{model: e.model, store: e.store, warn: o.Warn}
	}
	if c.Speculation, err = o.Speculation.scheduler(p, e.tokens); err != nil {
		return nil, err
	}
	if o.Speculation.By == ByDraft {
		if e.draft, err = e.openDraft(o); err != nil {
			return nil, err
		}
		if steps.drafter, err = newDrafter(e.draft, e.device.Info(), o.Warn); err != nil {
			return nil, err
		}
	}
	if e.tokens != nil {
		if n := e.tokens.Size(); n != p.Config.Vocab {
			return nil, fmt.Errorf("umbra: the tokenizer has %d tokens, the model %d rows of embeddings", n, p.Config.Vocab)
		}
		for id := range int32(e.tokens.Size()) {
			if e.tokens.EOG(id) {
				e.eog = append(e.eog, id)
			}
		}
		c.Piece = e.pieces()
	}
	if steps.scheduler, err = scheduler.New(c); err != nil {
		return nil, err
	}
	e.loop = startLoop(steps)
	return e, nil
}

// Close ends all requests and gives everything back; an error means that files in SwapDir may be left. Closing twice does
// nothing.
func (e *Engine) Close() error {
	if e.loop != nil {
		e.loop.stop()
	}
	return e.release()
}

func (e *Engine) release() (err error) {
	if e.store != nil {
		err = e.store.Close()
	}
	if e.draft != nil {
		e.draft.Release()
	}
	if e.model != nil {
		e.model.Release()
	}
	if e.device != nil {
		e.device.Release()
	}
	if e.file != nil {
		e.file.Close()
	}
	return err
}

// Tokenizer is the model's tokenizer, nil for a model of OpenSource.
func (e *Engine) Tokenizer() *tokenizer.Tokenizer { return e.tokens }

// Info describes an open engine.
type Info struct {
	Adapter      gpu.AdapterInfo
	Verdicts     []gpu.Verdict // of every adapter, why it was or was not chosen
	Architecture string
	Name         string
	Context      int
	Plan         model.Plan
	Draft        *model.Plan // of the draft model, if there is one
	Memory       gpu.Account
	Opened       Opened
	Tuned        Tuned
	Compiled     gpu.Compiled // since then too
}

// Opened is what Open took to open the adapter, and to bring the model's weights there and compile kernels meanwhile.
type Opened struct{ Device, Model time.Duration }

// Tuned is the file of measured kernels that is in use: how many choices it has, and how many are not the default. Without one it is zero.
type Tuned struct {
	Path            string
	Choices, Others int
}

// tuning says which kernels suit the device.
func (e *Engine) tuning(o Options) shaders.Tuning {
	if !o.Tuned {
		return shaders.TuningFor(e.device.Info())
	}
	t, path, err := tuned.For(e.device.Info())
	if err != nil && o.Warn != nil {
		o.Warn(err)
	}
	e.tuned.Path = path
	e.tuned.Choices, e.tuned.Others = t.Choices.Count()
	return t
}

// Info describes the engine as it is now.
func (e *Engine) Info() Info {
	p := e.model.Plan()
	info := Info{e.device.Info(), e.device.Verdicts(), p.Config.Architecture, p.Config.Name, p.Context, p, nil, e.device.Memory(),
		e.opened, e.tuned, e.device.Compiled()}
	if e.draft != nil {
		draft := e.draft.Plan()
		info.Draft = &draft
	}
	return info
}

// Profile is the time each kernel has taken, longest first, if Options.Profile was set.
func (e *Engine) Profile() []gpu.KernelTime { return e.device.Profile() }

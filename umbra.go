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
	"strings"
	"time"

	"umbra/gpu"
	"umbra/internal/places"
	"umbra/model"
	"umbra/model/chat"
	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/kvswap"
	"umbra/model/tokenizer"
	"umbra/scheduler"
)

// Options size an engine and choose its devices. Zero values are defaults.
type Options struct {
	// Adapter forces an adapter: its index, its kind (discrete, integrated, cpu) or part of its name. A list, say "0,1", shares the layers
	// of the model out among several, in that order; an index may be there twice, and opens its adapter twice.
	Adapter string
	// Split is the share of the layers that each of several adapters gets, say 3 and 1, or how many layers; nil goes by the memory of
	// the adapters. Info.Devices says what came of it.
	Split []float64
	// MicroBatch is about how many token rows of a step go from one of several devices to the next together, while each computes
	// others; 0 is as many as a step has for each device, 64 at least.
	MicroBatch int
	// Limits is what the device is asked for: all the adapter has (the default), or with gpu.FloorLimits only what every WebGPU
	// device has. Weights and KV are split to fit.
	Limits gpu.LimitSet
	// Context is the longest sequence in tokens; 0 is the model's own, up to 8192.
	Context int
	// KVType is the element type of KV pages, "f32" (the default), "f16" or "int8".
	KVType string
	// Sequences is how many sequences run at once; 0 is 16. BatchTokens is the token rows of a step; 0 is 512.
	Sequences, BatchTokens int
	// Blocks is the size of the KV pool in blocks of 16 tokens of all layers, which hold more where layers have windows; 0 is enough for one
	// Context, and for more sequences up to 1 GiB. KVBytes gives the size in bytes instead, rounded down to whole blocks; it must hold one Context. KVShare,
	// above 0 and at most 1, gives it as the share of what weights and scratch leave of the adapter's memory, where its size can
	// be found out (gpu.AdapterInfo.Memory); of several adapters', what the one with the least room for its layers allows.
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
	file     io.Closer // nil if the source is not ours to close
	places   *places.Places
	model    *model.Model
	tokens   *tokenizer.Tokenizer // nil if the source has none
	eog      []int32
	store    *kvswap.Store // nil if nothing is swapped
	draft    *model.Model  // nil if no draft model makes proposals
	grammars grammars
	loop     *loop
	opened   Opened

	template    func() (*chat.Template, error) // the model's, read when it is first asked for
	marks       []string                       // texts of special tokens by which calls of tools begin
	fingerprint string                         // of the file, once it has been asked for; the loop's own
}

// Open opens a GGUF file, or the folder of a Hugging Face model (package hf).
func Open(path string, o Options) (*Engine, error) {
	f, err := hf.OpenAny(path)
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
	source, _ := f.String("tokenizer.chat_template")
	return (&Engine{file: f, tokens: tokens, template: templateOf(source, tokens), marks: chat.ToolMarks(source)}).open(f, o)
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
	if e.places, err = places.Open(places.Options{Device: o.device(), Split: o.Split, Tuned: o.Tuned, Warn: o.Warn}); err != nil {
		return nil, err
	}
	e.opened.Device = time.Since(start)
	if sizes.Split = e.places.Split; o.KVShare != 0 {
		if sizes.KVBytes, err = o.share(src, sizes, e.places.Rooms()); err != nil {
			return nil, err
		}
	}
	start = time.Now()
	if e.model, err = e.places.Load(src, sizes); err != nil {
		return nil, err
	}
	e.opened.Model = time.Since(start)
	p := e.model.Plan()
	for _, x := range p.Expanded {
		if o.Warn != nil {
			o.Warn(errors.New(x.String()))
		}
	}
	c := scheduler.Config{BlockSize: model.BlockSize, Blocks: p.Blocks, Groups: Groups(p), MaxBatchTokens: p.BatchTokens, MaxSequences: p.Sequences,
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
		if steps.drafter, err = newDrafter(e.draft, e.places.All[0].Device.Info(), o.Warn); err != nil {
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
	if e.places != nil {
		e.places.Release()
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
	Adapter      gpu.AdapterInfo // the first device's
	Devices      []Device        // all of them, in the order of the layers
	Verdicts     []gpu.Verdict   // of every adapter, why it was or was not chosen
	Architecture string
	Name         string
	Context      int
	Plan         model.Plan
	Draft        *model.Plan // of the draft model, if there is one; it is on the first device
	Memory       gpu.Account // of all devices
	Opened       Opened
	Tuned        Tuned        // the first device's
	Compiled     gpu.Compiled // since then too, of all devices
}

// Device is one of an engine's devices.
type Device struct {
	Adapter gpu.AdapterInfo
	Stage   model.Stage // which layers it has, and their bytes
	Why     string      // how that came about, "" of a single device
	Memory  gpu.Account
	Tuned   Tuned
}

// Adapters are the names of the devices' adapters.
func (i Info) Adapters() string {
	var names []string
	for _, d := range i.Devices {
		names = append(names, d.Adapter.Name)
	}
	return strings.Join(names, " + ")
}

// Opened is what Open took to open the adapter, and to bring the model's weights there and compile kernels meanwhile.
type Opened struct{ Device, Model time.Duration }

// Tuned is the file of measured kernels that is in use: how many choices it has, and how many are not the default. Without one it is zero.
type Tuned struct {
	Path            string
	Choices, Others int
}

// Info describes the engine as it is now.
func (e *Engine) Info() Info {
	p := e.model.Plan()
	first := e.places.All[0].Device
	info := Info{Adapter: first.Info(), Verdicts: first.Verdicts(), Architecture: p.Config.Architecture, Name: p.Config.Name, Context: p.Context, Plan: p,
		Memory: e.places.Memory(), Opened: e.opened}
	for i, at := range e.places.All {
		tuned := Tuned{Path: at.Path}
		tuned.Choices, tuned.Others = at.Tuning.Choices.Count()
		info.Devices = append(info.Devices, Device{at.Device.Info(), p.Stages[i], e.places.Why, at.Device.Memory(), tuned})
		c := at.Device.Compiled()
		info.Compiled.Kernels += c.Kernels
		info.Compiled.Read += c.Read
		info.Compiled.Driver += c.Driver
	}
	info.Tuned = info.Devices[0].Tuned
	if e.draft != nil {
		draft := e.draft.Plan()
		info.Draft = &draft
	}
	return info
}

// Placed says which layers are on which device, and why, a line for each; nothing of a single device.
func (e *Engine) Placed() []string { return e.places.Says(e.model.Plan()) }

// Profile is the time each kernel has taken, by device, longest first, if Options.Profile was set.
func (e *Engine) Profile() []gpu.KernelTime { return e.places.Profile() }

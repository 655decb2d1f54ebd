// Package umbra runs large language models on any GPU that WebGPU reaches: Vulkan, Metal, D3D12, or a CPU through
// lavapipe.
//
//	engine, err := umbra.Open("model.gguf", umbra.Options{})
//	...
//	defer engine.Close()
//	result, err := engine.Generate(ctx, umbra.Request{Prompt: "package main\n", MaxTokens: 64},
//		func(c umbra.Chunk) error { _, err := fmt.Print(c.Text); return err })
//
// Requests made at the same time, from several goroutines, are batched together; what each gets does not depend on it.
package umbra

import (
	"fmt"

	"umbra/gpu"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/tokenizer"
	"umbra/scheduler"
)

// Options size an engine and choose its device. Zero values are defaults.
type Options struct {
	// Adapter forces an adapter: its index, its kind (discrete, integrated, cpu) or part of its name.
	Adapter string
	// Context is the longest sequence in tokens; 0 is the model's own, up to 8192.
	Context int
	// KVType is the element type of KV pages, "f32" (the default) or "f16".
	KVType string
	// Sequences is how many sequences run at once; 0 is 16. BatchTokens is the token rows of a step; 0 is 512.
	Sequences, BatchTokens int
	// Blocks is the size of the KV pool in blocks of 16 tokens; 0 is enough for one Context, and for more sequences
	// up to 1 GiB.
	Blocks int
	// Profile measures kernels with timestamps; see Engine.Profile.
	Profile bool
	// Progress is told how many bytes of weights have been sent to the device.
	Progress func(done, total int64)
}

// Engine is a model opened on a device, with the loop that runs requests.
type Engine struct {
	file   *gguf.File
	device *gpu.Device
	model  *model.Model
	tokens *tokenizer.Tokenizer
	eog    []int32
	loop   *loop
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

func open(f *gguf.File, o Options) (_ *Engine, err error) {
	e := &Engine{file: f}
	defer func() {
		if err != nil {
			e.release()
		}
	}()
	if e.tokens, err = tokenizer.New(f); err != nil {
		return nil, err
	}
	kv, err := model.ParseKVType(o.KVType)
	if err != nil {
		return nil, err
	}
	if e.device, err = gpu.Open(gpu.Options{Adapter: o.Adapter, Profile: o.Profile}); err != nil {
		return nil, err
	}
	e.model, err = model.New(e.device, f, model.Options{
		Context: o.Context, Sequences: o.Sequences, BatchTokens: o.BatchTokens, Blocks: o.Blocks, KVType: kv, Progress: o.Progress})
	if err != nil {
		return nil, err
	}
	p := e.model.Plan()
	for _, rows := range []int{1, p.BatchTokens} { // decode, and prefill of long prompts
		if err := e.model.Warm(rows); err != nil {
			return nil, err
		}
	}
	if n := e.tokens.Size(); n != p.Config.Vocab {
		return nil, fmt.Errorf("umbra: the tokenizer has %d tokens, the model %d rows of embeddings", n, p.Config.Vocab)
	}
	for id := range int32(e.tokens.Size()) {
		if e.tokens.EOG(id) {
			e.eog = append(e.eog, id)
		}
	}
	s, err := scheduler.New(scheduler.Config{
		BlockSize: model.BlockSize, Blocks: p.Blocks, MaxBatchTokens: p.BatchTokens, MaxSequences: p.Sequences,
		Context: p.Context, Vocabulary: p.Config.Vocab, Piece: e.tokens.Piece})
	if err != nil {
		return nil, err
	}
	e.loop = startLoop(s, e.model)
	return e, nil
}

// Close ends all requests and gives everything back. Closing twice does nothing.
func (e *Engine) Close() error {
	if e.loop != nil {
		e.loop.stop()
	}
	e.release()
	return nil
}

func (e *Engine) release() {
	if e.model != nil {
		e.model.Release()
	}
	if e.device != nil {
		e.device.Release()
	}
	if e.file != nil {
		e.file.Close()
	}
}

// Tokenizer is the model's tokenizer.
func (e *Engine) Tokenizer() *tokenizer.Tokenizer { return e.tokens }

// Info describes an open engine.
type Info struct {
	Adapter      gpu.AdapterInfo
	Verdicts     []gpu.Verdict // of every adapter, why it was or was not chosen
	Architecture string
	Name         string
	Context      int
	Plan         model.Plan
	Memory       gpu.Account
}

// Info describes the engine as it is now.
func (e *Engine) Info() Info {
	p := e.model.Plan()
	return Info{e.device.Info(), e.device.Verdicts(), p.Config.Architecture, p.Config.Name, p.Context, p, e.device.Memory()}
}

// Profile is the time each kernel has taken, longest first, if Options.Profile was set.
func (e *Engine) Profile() []gpu.KernelTime { return e.device.Profile() }

package umbra

import (
	"errors"
	"fmt"

	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/kvfile"
)

// SaveSession writes what the cache still holds of tokens' keys and values, from the first token on and in whole blocks
// of 16, to a .umbra-kv file, of layers with a window what the next token sees, so that a later LoadSession saves computing them. It returns for how many tokens. Call it after the
// request that computed them, before others take the room.
func (e *Engine) SaveSession(path string, tokens []int32) (saved int, err error) {
	h, err := e.sessionHeader()
	if err != nil {
		return 0, err
	}
	var data []byte
	alive := e.loop.atRest(func() {
		err = e.loop.scheduler.Remembered(tokens, func(n int, blocks []int32) (err error) {
			saved = n
			if n > 0 {
				data, err = e.model.ReadBlocks(blocks)
			}
			return err
		})
	})
	switch {
	case !alive:
		return 0, ErrClosed
	case err != nil:
		return 0, fmt.Errorf("umbra: save session: %w", err)
	case saved == 0:
		return 0, fmt.Errorf("umbra: save session: the cache holds no whole block of %d tokens of this text; compute it first, or use a larger cache", model.BlockSize)
	}
	return saved, kvfile.Save(path, h, tokens[:saved], data)
}

// LoadSession puts the keys and values of a .umbra-kv file in the cache, where requests whose prompt begins with its tokens
// find them, and returns those tokens. It refuses the file of another model or KV type, a damaged one, and one that the cache
// has no room for.
func (e *Engine) LoadSession(path string) (tokens []int32, err error) {
	h, err := e.sessionHeader()
	if err != nil {
		return nil, err
	}
	tokens, data, err := kvfile.Load(path, h)
	if err != nil {
		return nil, err
	}
	alive := e.loop.atRest(func() {
		err = e.loop.scheduler.Remember(tokens, func(first int, blocks []int32) error {
			if want := (first + len(blocks)) * h.BlockBytes; len(data) != want {
				return fmt.Errorf("%d bytes of keys and values, not %d: %w", len(data), want, kvfile.ErrDamaged)
			}
			return e.model.WriteBlocks(blocks, data[first*h.BlockBytes:])
		})
	})
	if !alive {
		return nil, ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("umbra: load session %s: %w", path, err)
	}
	return tokens, nil
}

// sessionHeader is what the engine's sessions are bound to.
func (e *Engine) sessionHeader() (h kvfile.Header, err error) {
	if !e.loop.do(func() { h, err = e.boundTo() }) { // not while the file is closed
		return h, ErrClosed
	}
	return h, err
}

func (e *Engine) boundTo() (kvfile.Header, error) {
	f, ok := e.file.(*gguf.File)
	if !ok {
		return kvfile.Header{}, errors.New("umbra: sessions belong to a model file, and this model has none")
	}
	if e.fingerprint == "" {
		e.fingerprint = model.Fingerprint(f)
	}
	p := e.model.Plan()
	return kvfile.Header{Model: e.fingerprint, KVType: p.KVType.String(), BlockSize: model.BlockSize, BlockBytes: int(p.BlockBytes())}, nil
}

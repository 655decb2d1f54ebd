package umbra

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"umbra/model/tokenizer"
	"umbra/scheduler"
	"umbra/scheduler/batch"
)

// Pooling says how the hidden states of a text's tokens become one vector.
type Pooling string

// The ways of pooling.
const (
	PoolMean Pooling = "mean" // their mean; the default
	PoolLast Pooling = "last" // the last token's, which has seen all others
	PoolCLS  Pooling = "cls"  // the first token's
)

// EmbedRequest asks for a vector that stands for a text.
type EmbedRequest struct {
	// Text is the text; the model's own first and last tokens are added. Tokens are ids, just as they are, instead.
	Text   string
	Tokens []int32
	// Pooling is PoolMean if it is "".
	Pooling Pooling
	// Raw leaves the vector as long as it is; else it is made one of length 1.
	Raw bool
}

// Embedding is a vector that stands for a text, and how many tokens that has.
type Embedding struct {
	Vector []float32
	Tokens int
}

// Embed pools the hidden states that the output matrix would take, after the output norm. It runs between the steps of other requests, which wait meanwhile, and
// waits while they hold the blocks that it needs. Models that were made to continue text give vectors of modest use.
func (e *Engine) Embed(ctx context.Context, r EmbedRequest) (Embedding, error) {
	tokens := r.Tokens
	if tokens == nil {
		if e.tokens == nil {
			return Embedding{}, errors.New("umbra: the model has no tokenizer; give EmbedRequest.Tokens instead of Text")
		}
		tokens = e.tokens.Encode(r.Text, tokenizer.EncodeOptions{AddSpecial: true})
	}
	switch r.Pooling {
	case "", PoolMean, PoolLast, PoolCLS:
	default:
		return Embedding{}, fmt.Errorf("umbra: pooling %q is not known; there are mean, last and cls", r.Pooling)
	}
	if len(tokens) == 0 {
		return Embedding{}, errors.New("umbra: nothing to embed: the text has no tokens")
	}
	p := pool{how: r.Pooling, n: len(tokens)}
	for {
		var err error
		alive := e.loop.atRest(func() {
			err = e.loop.scheduler.Borrow(len(tokens), e.model.Plan().BatchTokens, func(position int, rows batch.Sequence) error {
				return e.model.Hidden(tokens[position:position+rows.Rows], position, rows, p.add)
			})
		})
		switch {
		case !alive:
			return Embedding{}, ErrClosed
		case err == nil:
			return Embedding{p.vector(!r.Raw), len(tokens)}, nil
		case !errors.Is(err, scheduler.ErrBusy):
			return Embedding{}, fmt.Errorf("umbra: embed: %w", err)
		}
		select {
		case <-ctx.Done():
			return Embedding{}, ctx.Err()
		case <-time.After(5 * time.Millisecond): // a few steps
		}
	}
}

// pool gathers hidden states.
type pool struct {
	how Pooling
	n   int
	sum []float64
}

func (p *pool) add(position int, hidden []float32) {
	if p.how == PoolCLS && position > 0 || p.how == PoolLast && position < p.n-1 {
		return
	}
	if p.sum == nil {
		p.sum = make([]float64, len(hidden))
	}
	for i, x := range hidden {
		p.sum[i] += float64(x)
	}
}

func (p *pool) vector(unit bool) []float32 {
	by := 1.0
	if p.how == "" || p.how == PoolMean {
		by = float64(p.n)
	}
	if unit {
		squares := 0.0
		for _, x := range p.sum {
			squares += x * x
		}
		by = math.Sqrt(squares)
	}
	v := make([]float32, len(p.sum))
	for i, x := range p.sum {
		v[i] = float32(x / max(by, math.SmallestNonzeroFloat64))
	}
	return v
}

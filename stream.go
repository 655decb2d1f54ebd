package umbra

import (
	"context"
	"errors"
	"iter"
	"sync"
)

// errStopped ends a request whose reader has left the loop.
var errStopped = errors.New("umbra: the reader stopped")

// Stream is Generate as an iterator over chunks. An error comes last, without a chunk. Leaving the loop ends the request. What sums it up is put in
// result, unless that is nil, before the loop ends.
func (e *Engine) Stream(ctx context.Context, r Request, result *Result) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		got, err := e.Generate(ctx, r, func(c Chunk) error {
			if !yield(c, nil) {
				return errStopped
			}
			return nil
		})
		if result != nil {
			*result = got
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Chunk{}, err)
		}
	}
}

// Continuation is what one request of a batch came to.
type Continuation struct {
	// Texts are those of its answers.
	Texts  []string
	Result Result
	Err    error
}

// Batch runs requests at the same time, as many at once as the engine was opened for, and returns what each came to, in their order.
func (e *Engine) Batch(ctx context.Context, requests []Request) []Continuation {
	all := make([]Continuation, len(requests))
	var running sync.WaitGroup
	for i, r := range requests {
		c := &all[i]
		c.Texts = make([]string, max(1, r.N))
		running.Go(func() {
			c.Result, c.Err = e.Generate(ctx, r, func(chunk Chunk) error {
				c.Texts[chunk.Answer] += chunk.Text
				return nil
			})
		})
	}
	running.Wait()
	return all
}

package server

import (
	"context"
	"errors"
	"time"

	"umbra"
)

// run generates, within the room there is, and counts what it took.
func (s *Server) run(ctx context.Context, r umbra.Request, emit func(umbra.Chunk) error) (umbra.Result, error) {
	n := max(1, r.N, r.BestOf)
	if n > s.limits.sequences {
		return umbra.Result{}, invalid("n", "%d answers are asked for; at most %d sequences run at once", n, s.limits.sequences)
	}
	if err := s.room.take(n); err != nil {
		return umbra.Result{}, err
	}
	defer s.room.give(n)
	start := time.Now()
	last := make([]time.Time, n)
	result, err := s.engine.Generate(ctx, r, func(c umbra.Chunk) error {
		if len(c.Tokens) > 0 {
			if !last[c.Answer].IsZero() {
				s.metrics.between(c.At.Sub(last[c.Answer]))
			}
			last[c.Answer] = c.At
		}
		return emit(c)
	})
	s.metrics.ended(result, err, time.Since(start))
	s.note(err)
	if err != nil && ctx.Err() != nil && !errors.Is(err, umbra.ErrClosed) {
		err = ctx.Err()
	}
	return result, err
}

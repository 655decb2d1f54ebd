package scheduler

import (
	"errors"
	"fmt"
)

// ErrBusy is returned where the cache has too few free blocks at the moment; there will be more when requests end.
var ErrBusy = errors.New("scheduler: too few blocks of the cache are free")

// Borrow hands use the blocks for n tokens, for what is computed beside the requests, and takes them back. It returns use's error, or ErrBusy. Call it
// between steps.
func (s *Scheduler) Borrow(n int, use func(blocks []int32) error) error {
	switch {
	case len(s.flights) > 0:
		return errInFlight
	case n > s.config.Context || s.blocks.Need(n) > s.config.Blocks:
		return fmt.Errorf("scheduler: %d tokens are more than the context of %d, or than %d blocks of %d hold",
			n, s.config.Context, s.config.Blocks, s.config.BlockSize)
	}
	t := s.blocks.Table()
	defer t.Release()
	if !t.Grow(n) {
		return ErrBusy
	}
	return use(t.Blocks(n))
}

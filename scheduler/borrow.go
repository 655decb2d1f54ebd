package scheduler

import (
	"errors"
	"fmt"

	"umbra/scheduler/batch"
)

// ErrBusy is returned where the cache has too few free blocks at the moment; there will be more when requests end.
var ErrBusy = errors.New("scheduler: too few blocks of the cache are free")

// Borrow hands use the blocks for n tokens, for what is computed beside the requests, and takes them back. It calls use for rows of them after
// another, at most most at a time, with their first position and a sequence that has their rows and block tables. It returns use's error, or ErrBusy.
// Call it between steps.
func (s *Scheduler) Borrow(n, most int, use func(position int, rows batch.Sequence) error) error {
	switch {
	case len(s.flights) > 0:
		return errInFlight
	case n > s.config.Context || s.blocks.Need(n) > s.config.Blocks:
		return fmt.Errorf("scheduler: %d tokens are more than the context of %d, or than %d blocks of %d hold",
			n, s.config.Context, s.config.Blocks, s.config.BlockSize)
	}
	t := s.blocks.Table()
	defer t.Release()
	for at := 0; at < n; {
		if s.blocks.Free() < t.Short(n) || !t.Reserve(n, at+1) {
			return ErrBusy
		}
		end := min(at+most, t.Extend(min(at+most, n)))
		rows := batch.Sequence{Rows: end - at}
		Tables(nil, &rows, t, end)
		if err := use(at, rows); err != nil {
			return err
		}
		at = end
		t.Slide(at)
	}
	return nil
}

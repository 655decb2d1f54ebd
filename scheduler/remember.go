package scheduler

import (
	"errors"
	"fmt"
)

// errInFlight is returned where the cache must be at rest.
var errInFlight = errors.New("scheduler: a step is in flight; commit it first")

// Remembered hands use the blocks of the longest beginning of tokens that a sequence could go on from, n tokens
// in whole blocks, and keeps them there meanwhile: those of earlier positions first; where there are windows, those that the row after
// them sees. It returns use's error. Call it between steps.
func (s *Scheduler) Remembered(tokens []int32, use func(n int, blocks []int32) error) error {
	if len(s.flights) > 0 {
		return errInFlight
	}
	t := s.blocks.Table()
	defer t.Release()
	n := t.Match(tokens)
	return use(n, t.List(0))
}

// Remember makes the whole blocks of tokens part of the cache, as if a sequence had computed them: fill writes keys and
// values of those that Remembered would list, from number first on, which it is given; the earlier ones are there already. If fill fails nothing
// is remembered. It fails if too few blocks are free, saying how many are missing. Call it between steps.
func (s *Scheduler) Remember(tokens []int32, fill func(first int, blocks []int32) error) error {
	if len(s.flights) > 0 {
		return errInFlight
	}
	if s.config.NoPrefixReuse {
		return errors.New("scheduler: with NoPrefixReuse nothing is remembered")
	}
	whole := len(tokens) / s.config.BlockSize * s.config.BlockSize
	t := s.blocks.Table()
	defer t.Release()
	n := t.Match(tokens[:whole])
	if n == whole {
		return nil
	}
	if !t.Resume(whole) {
		return fmt.Errorf("scheduler: %d tokens take %d more blocks of the cache, of which %d are free; use a larger cache, or wait for requests to end",
			whole, t.Short(whole), s.blocks.Free())
	}
	missing := t.List(n)
	if err := fill(t.Held()-len(missing), missing); err != nil {
		return err
	}
	t.Seal(tokens[:whole])
	return nil
}

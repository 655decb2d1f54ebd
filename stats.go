package umbra

import "umbra/scheduler"

// Stats are the scheduler's counts as they stand between two steps. It reports false once the engine is closed.
func (e *Engine) Stats() (s scheduler.Stats, ok bool) {
	ok = e.loop.do(func() { s = e.loop.scheduler.Stats() })
	return s, ok
}

// Check verifies the invariants of the scheduler and of its cache between two steps; for tests, and for those who suspect them.
func (e *Engine) Check() (err error) {
	if !e.loop.do(func() { err = e.loop.scheduler.Check() }) {
		return ErrClosed
	}
	return err
}

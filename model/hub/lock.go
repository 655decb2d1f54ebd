package hub

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// patience is how long a lock may take before it is said that somebody else has it.
const patience = time.Second

// lock keeps other processes, and other goroutines, from a model until unlock. It calls waits, once, if that takes long. The system gives a lock
// back when its process ends, however it does. Its file stays: without it, two could each lock a file of that name.
func (s Store) lock(ctx context.Context, place string, waits func()) (unlock func(), err error) {
	file := s.at("lock/" + place + ".lock")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	got := make(chan error, 1)
	go func() {
		var err error
		unlock, err = lockedfile.MutexAt(file).Lock()
		got <- err
	}()
	long := time.NewTimer(patience)
	defer long.Stop()
	for {
		select {
		case err := <-got:
			if err != nil {
				return nil, fmt.Errorf("%w", err)
			}
			return unlock, nil
		case <-long.C:
			waits()
		case <-ctx.Done():
			go func() { // it may still come
				if <-got == nil {
					unlock()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"time"
)

// Bounds of trying again.
const (
	mostTries = 6                // in a row that bring nothing new
	firstWait = time.Second      // doubled each time
	mostWait  = 60 * time.Second // also of what a server asks for
)

// retry waits before something is tried again. Its tries are those of one thing.
type retry struct {
	sleep func(ctx context.Context, d time.Duration) error
	say   func(string)
	tries int
}

// again waits and returns nil if what has failed may be tried again, and else why not.
func (r *retry) again(ctx context.Context, failed error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.tries++
	if !passing(failed) {
		return failed
	}
	if r.tries >= mostTries {
		return fmt.Errorf("%w (tried %d times)", failed, r.tries)
	}
	wait := firstWait << (r.tries - 1)
	var e *refusal
	if errors.As(failed, &e) {
		wait = max(wait, e.after)
	}
	wait = min(wait, mostWait)
	r.say(fmt.Sprintf("%v; trying again in %s", failed, wait))
	return r.sleep(ctx, wait)
}

// passing reports whether an error may not come again: of the network, or of a server that is busy or broken.
func passing(err error) bool {
	var lasting permanent
	var disk *fs.PathError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var e *refusal
	switch {
	case errors.As(err, &lasting), errors.As(err, &disk), errors.As(err, &certificate):
		return false
	case errors.As(err, &name):
		return !name.IsNotFound
	case errors.As(err, &e):
		return e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout || e.status == http.StatusRequestedRangeNotSatisfiable
	}
	return true
}

// permanent is an error that would come again.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// sleep is time.Sleep that ends with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

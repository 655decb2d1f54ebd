package gpu_test

import (
	"crypto/rand"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
)

// TestFact: a fact is tried once, whoever asks, and again only where that failed.
func TestFact(t *testing.T) {
	d := gputest.Device(t)
	name := rand.Text() // the device lives on where the test runs again
	failed := errors.New("no luck")
	_, err := d.Fact(name, func() (bool, error) { return true, failed })
	require.ErrorIs(t, err, failed)

	tried := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			holds, err := d.Fact(name, func() (bool, error) { tried++; return true, nil })
			if !holds || err != nil {
				t.Errorf("%v, %v", holds, err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, tried)

	holds, err := d.Fact(name+" not", func() (bool, error) { return false, nil })
	require.NoError(t, err)
	require.False(t, holds)
}

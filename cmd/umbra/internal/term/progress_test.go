package term

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestProgressOfShortWork(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b, "loading", time.Hour)
	for done := int64(1); done <= 4; done++ {
		p.Set(done<<20, 4<<20)
	}
	p.End()
	assert.Zero(t, b.Len(), "short work needs no bar")
}

func TestCount(t *testing.T) {
	assert.Nil(t, NewCount(&bytes.Buffer{}, "x", "tok"), "no terminal, no bar")
	var b bytes.Buffer
	p := newProgress(&b, "perplexity", 0)
	p.unit = "tok"
	p.Describe("perplexity 7.25")
	p.Set(200, 400)
	assert.Contains(t, b.String(), "tok/")
	assert.Contains(t, b.String(), "200/400")
	assert.Contains(t, b.String(), "perplexity 7.25")
	assert.NotContains(t, b.String(), "iB")
	p.End()
}

func TestProgressOfLongWork(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b, "loading", 0)
	p.Set(2<<20, 4<<20)
	assert.Contains(t, b.String(), "loading")
	assert.Contains(t, b.String(), "50%")
	assert.Contains(t, b.String(), "MiB")
	p.End()
	assert.True(t, bytes.HasSuffix(b.Bytes(), []byte("\r")), "the line is free again: %q", b.String())
	n := b.Len()
	p.End()
	assert.Equal(t, n, b.Len(), "nothing to take away twice")
}

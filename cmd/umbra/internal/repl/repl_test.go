package repl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/internal/parrot"
	"umbra/scheduler/sample"
)

type script struct{ lines []string }

func (s *script) Line(string) (string, error) {
	if len(s.lines) == 0 {
		return "", io.EOF
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	if line == "^C" {
		return "", ErrInterrupted
	}
	return line, nil
}

// talk runs lines and returns answers and what was said.
func talk(t *testing.T, e *umbra.Engine, change func(*Session), lines ...string) (out, said string, s *Session) {
	t.Helper()
	var o, say bytes.Buffer
	s = &Session{Engine: e, In: &script{lines}, Out: &o, Say: &say, Settings: Settings{Sampling: sample.Params{TopP: 1, Penalty: 1}, MaxTokens: 40},
		Interrupt: func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }}
	if change != nil {
		change(s)
	}
	require.NoError(t, s.Run())
	return o.String(), say.String(), s
}

func opened(t *testing.T, e *umbra.Engine, err error) *umbra.Engine {
	t.Helper()
	if errors.Is(err, gpu.ErrNoAdapter) {
		t.Skipf("no adapter: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

func parroting(t *testing.T, context int) *umbra.Engine {
	e, err := umbra.OpenBytes("parrot", parrot.GGUF(), umbra.Options{Sequences: 1, Context: context})
	return opened(t, e, err)
}

func TestTalk(t *testing.T) {
	e := parroting(t, 0)
	file := filepath.Join(t.TempDir(), "talk.json")
	out, said, s := talk(t, e, nil, "/system Be kind.", "Hi \\", "there", `"""`, "two", "lines", `"""`, "^C", "", "/regen", "/stats", "/save "+file, "/nonsense",
		"/set temperature -1", "/set temperature 0.5", "/set", "/help", "/set nothing 1", "/load /no/such", "/quit", "not read")
	assert.Equal(t, strings.Repeat(parrot.Greeting+"\n", 3), out)
	require.Len(t, s.messages, 4)
	assert.Equal(t, "Hi \nthere", s.messages[0].Content)
	assert.Equal(t, "two\nlines\n", s.messages[2].Content)
	for _, want := range []string{"there is no command /nonsense", "temperature -1 is out of range", "temperature 0.5\n", "/regen", "there is no setting nothing",
		"answer 6 tokens", "no such file"} {
		assert.Contains(t, said, want)
	}
	_, said, again := talk(t, e, nil, "/load "+file, "/system", "/clear", "/regen")
	assert.Contains(t, said, "4 messages\n")
	assert.Contains(t, said, "Be kind.\n")
	assert.Contains(t, said, "there is no answer to make again")
	assert.Empty(t, again.messages)
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	assert.ErrorContains(t, again.Begin("", file), "is no conversation")
}

// TestFull: a conversation that no longer fits stops and says so, or leaves its oldest turns out.
func TestFull(t *testing.T) {
	e := parroting(t, 128)
	long := strings.Repeat("x", 25)
	lines := []string{long, long, long, long, "/set shift on", long, long}
	out, said, s := talk(t, e, nil, lines...)
	assert.Contains(t, said, "leaves too little room in a context of 128; /clear begins anew, /set shift on")
	assert.Contains(t, said, "the context is full: the oldest is left out")
	assert.Less(t, strings.Count(out, parrot.Greeting), 6)
	assert.GreaterOrEqual(t, strings.Count(out, parrot.Greeting), 4)
	assert.Positive(t, s.dropped)
}

func TestStopped(t *testing.T) {
	e := parroting(t, 0)
	_, said, s := talk(t, e, func(s *Session) {
		s.Interrupt = func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		}
	}, "Hi")
	assert.Contains(t, said, "umbra: stopped\n")
	assert.Len(t, s.messages, 2)
}

// TestPlain: a model without a template continues all that was written so far, and says so.
func TestPlain(t *testing.T) {
	e, err := umbra.Open("../../../../testdata/gopher-draft-4m-q8_0.gguf", umbra.Options{Context: 64, Sequences: 1})
	e = opened(t, e, err)
	out, said, s := talk(t, e, func(s *Session) { s.MaxTokens = 5 }, "func main() {", "/system x", "/regen", "// more", strings.Repeat("a b c ", 30), "/set shift on", "// again")
	assert.Contains(t, said, "the model has no chat template: it continues what you write")
	assert.Contains(t, said, "takes no system message")
	assert.Contains(t, said, "stopped after 5 tokens")
	assert.Contains(t, said, "leaves too little room in a context of 64")
	assert.Contains(t, said, "the oldest is left out")
	assert.True(t, strings.HasPrefix(s.text, "func main() {"))
	assert.NotEmpty(t, out)
}

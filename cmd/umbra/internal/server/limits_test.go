package server

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/internal/parrot"
)

// TestDisconnectWithinAStep: of a client that goes away no step is begun but the one that may be laid out at that moment, and its blocks are free.
func TestDisconnectWithinAStep(t *testing.T) {
	ctx, leave := context.WithCancel(context.Background())
	var mu sync.Mutex
	steps := 0
	e, err := umbra.Open(draft, umbra.Options{Context: 1024, Sequences: 2, Synchronous: true, OnStep: func(umbra.StepRecord) {
		mu.Lock()
		defer mu.Unlock()
		if steps++; steps == 10 {
			leave()
			time.Sleep(20 * time.Millisecond) // for the news to get to the server's goroutine
		}
	}})
	e = opened(t, e, err)
	s := New(e, Options{})
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "POST", "/v1/completions", strings.NewReader(`{"prompt": "x", "max_tokens": 900, "stream": true, "ignore_eos": true}`)))
	stats, _ := e.Stats()
	assert.Zero(t, stats.Running)
	assert.Equal(t, stats.Blocks, stats.BlocksFree)
	mu.Lock()
	defer mu.Unlock()
	assert.LessOrEqual(t, steps, 11)
	require.NoError(t, e.Check())
}

// TestHeaders: headers that are too long or too slow do not keep a connection.
func TestHeaders(t *testing.T) {
	s := New(parroting(t), Options{})
	s.http.ReadHeaderTimeout = 200 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, l, time.Minute) }()
	r, _ := http.NewRequest("GET", "http://"+l.Addr().String()+"/health", nil)
	r.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	got.Body.Close()
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, got.StatusCode)
	slow, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer slow.Close()
	fmt.Fprint(slow, "GET /health HTTP/1.1\r\nHost: ")
	slow.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err = slow.Read(make([]byte, 1))
	require.Error(t, err)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server closes it")
	stop()
	require.NoError(t, <-ended)
}

// TestEmbeddingForms: pooling, base64, fewer dimensions, and tokens.
func TestEmbeddingForms(t *testing.T) {
	e, err := umbra.Open(draft, umbra.Options{Context: 128, Sequences: 2})
	e = opened(t, e, err)
	_, url := serve(t, e, Options{})
	ask := func(more string) json.RawMessage {
		status, body := post(t, url+"/v1/embeddings", `{"input": "func main"`+more+`}`)
		require.Equal(t, 200, status, body)
		var got struct {
			Data []struct{ Embedding json.RawMessage }
		}
		require.NoError(t, json.Unmarshal([]byte(body), &got))
		return got.Data[0].Embedding
	}
	floats := func(raw json.RawMessage) (v []float32) {
		require.NoError(t, json.Unmarshal(raw, &v))
		return v
	}
	for _, how := range []umbra.Pooling{umbra.PoolMean, umbra.PoolLast, umbra.PoolCLS} {
		want, err := e.Embed(context.Background(), umbra.EmbedRequest{Text: "func main", Pooling: how})
		require.NoError(t, err)
		v := floats(ask(`, "pooling": "` + string(how) + `"`))
		assert.InDeltaSlice(t, want.Vector, v, 1e-5, how)
		var text string
		require.NoError(t, json.Unmarshal(ask(`, "encoding_format": "base64", "pooling": "`+string(how)+`"`), &text))
		raw, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		require.Len(t, raw, 4*len(v))
		for i, x := range v {
			assert.Equal(t, x, math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	}
	whole, short := floats(ask("")), floats(ask(`, "dimensions": 10`))
	require.Len(t, short, 10)
	squares := 0.0
	for i, x := range short {
		squares += float64(x) * float64(x)
		assert.InDelta(t, short[0]/whole[0], x/whole[i], 1e-3)
	}
	assert.InDelta(t, 1, squares, 1e-5)
}

// TestCompletionForms: prompts as tokens, lists of them, and what is around the text to fill in; extra texts come before it.
func TestCompletionForms(t *testing.T) {
	e, err := umbra.Open(draft, umbra.Options{Context: 128, Sequences: 4})
	e = opened(t, e, err)
	_, url := serve(t, e, Options{})
	texts := func(path, body string) (all []string, prompt int) {
		status, answer := post(t, url+path, body)
		require.Equal(t, 200, status, answer)
		var got struct {
			Choices []struct{ Text string }
			Usage   struct {
				Prompt int `json:"prompt_tokens"`
			}
			Content   string
			Evaluated int `json:"tokens_evaluated"`
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &got))
		for _, c := range got.Choices {
			all = append(all, c.Text)
		}
		return append(all, got.Content), got.Usage.Prompt + got.Evaluated
	}
	text, n := texts("/v1/completions", `{"prompt": "func main", "temperature": 0, "max_tokens": 6}`)
	tokens, m := texts("/v1/completions", `{"prompt": [0, 337, 995], "temperature": 0, "max_tokens": 6}`)
	assert.Equal(t, text, tokens)
	assert.Equal(t, []int{3, 3}, []int{n, m})
	both, _ := texts("/v1/completions", `{"prompt": [[0, 337, 995], [0, 337]], "temperature": 0, "max_tokens": 6, "echo": true}`)
	require.Len(t, both, 3)
	assert.True(t, strings.HasSuffix(both[0], "func main"+text[0]), both[0])
	cut, _ := texts("/v1/completions", `{"prompt": "func main", "temperature": 0, "n_predict": 6, "stop": ["`+strings.TrimSpace(text[0])[:1]+`"]}`)
	assert.Less(t, len(cut[0]), len(text[0]))
	_, around := texts("/v1/completions", `{"prompt": "func main() {", "suffix": "}", "temperature": 0, "max_tokens": 4}`)
	_, infill := texts("/infill", `{"input_prefix": "func main() {", "input_suffix": "}", "n_predict": 4, "cache_prompt": true, "n_indent": 2}`)
	assert.Equal(t, around, infill, "the same prompt of prefix, suffix and FIM tokens")
	_, extra := texts("/infill", `{"input_prefix": "func main() {", "input_suffix": "}", "n_predict": 4, "input_extra": [{"filename": "a.go", "text": "package a"}]}`)
	assert.Greater(t, extra, infill)
	_, most := texts("/infill", `{"input_prefix": "func main() {", "input_suffix": "}", "n_predict": 4, "input_extra": [{"filename": "a.go", "text": "`+strings.Repeat("long ", 500)+`"}]}`)
	assert.Equal(t, 128-32, most, "as much of the end as fits")
	p := parroting(t)
	_, plain := serve(t, p, Options{Version: "7"})
	got, err := http.Get(plain + "/props")
	require.NoError(t, err)
	defer got.Body.Close()
	var props struct {
		Template string `json:"chat_template"`
		Format   string `json:"tool_call_format"`
		Build    string `json:"build_info"`
	}
	require.NoError(t, json.NewDecoder(got.Body).Decode(&props))
	assert.Equal(t, parrot.Template, props.Template)
	assert.Equal(t, []string{"tool_call tags", "7"}, []string{props.Format, props.Build})
}

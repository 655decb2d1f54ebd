package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
)

// soaked is one kind of request, and what it gives alone.
type soaked struct{ body, want string }

// TestSoak has clients stream at the same time, some of which go away in the middle, read slowly, or send nonsense: every answer that comes to its end
// is the one that the request gives alone, and in the end nothing is left of any. Eight clients for some seconds; with UMBRA_SOAK 64 for two minutes.
func TestSoak(t *testing.T) {
	clients, length := 8, 4*time.Second
	if os.Getenv("UMBRA_SOAK") != "" {
		clients, length = 64, 2*time.Minute
	}
	e, err := umbra.Open(draft, umbra.Options{Context: 128, Sequences: 8, Blocks: 12}) // too few for all: preemption
	e = opened(t, e, err)
	web := httptest.NewServer(New(e, Options{Queue: 2 * clients, KeepAlive: 50 * time.Millisecond, Stall: 20 * time.Second}))
	defer web.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	client := &http.Client{Transport: transport}
	var kinds []soaked
	for i, prompt := range []string{"package main\n\n", "func Sort(", "// The quick brown", "type T struct {\n", "import (\n\t\"fmt\"\n"} {
		for j, sampling := range []string{`"temperature": 0`, fmt.Sprintf(`"temperature": 0.8, "top_k": 40, "seed": %d`, i), fmt.Sprintf(`"seed": %d, "typical_p": 0.9, "presence_penalty": 0.5`, i)} {
			p, _ := json.Marshal(prompt)
			k := soaked{body: fmt.Sprintf(`{"prompt": %s, "max_tokens": %d, "stream": true, %s}`, p, 12+7*j+i, sampling)}
			text, ended, err := streamed(context.Background(), client, web.URL, k.body, -1, 0)
			require.NoError(t, err)
			require.True(t, ended)
			k.want = text
			kinds = append(kinds, k)
		}
	}
	settle := func() (goroutines int, heap uint64) {
		transport.CloseIdleConnections()
		time.Sleep(200 * time.Millisecond)
		for range 3 {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	before, heapBefore := settle()
	var finished, left, refused, wrong atomic.Int64
	var all sync.WaitGroup
	until := time.Now().Add(length)
	for c := range clients {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(c), 7))
			for time.Now().Before(until) {
				k := kinds[r.IntN(len(kinds))]
				switch r.IntN(8) {
				case 0: // nonsense
					body := []string{k.body[:r.IntN(len(k.body))], `[]`, `{"prompt": 5}`, "\x00\xff", `{"prompt": "x", "temperature": "hot"}`}[r.IntN(5)]
					got, err := client.Post(web.URL+"/v1/completions", "application/json", strings.NewReader(body))
					if assert.NoError(t, err) {
						io.Copy(io.Discard, got.Body)
						got.Body.Close()
						assert.Equal(t, 400, got.StatusCode, "%q", body)
						refused.Add(1)
					}
				case 1, 2: // goes away
					if _, _, err := streamed(context.Background(), client, web.URL, k.body, r.IntN(5), 0); assert.NoError(t, err) {
						left.Add(1)
					}
				default:
					slow := time.Duration(0)
					if r.IntN(4) == 0 {
						slow = time.Duration(r.IntN(30)) * time.Millisecond
					}
					text, ended, err := streamed(context.Background(), client, web.URL, k.body, -1, slow)
					if assert.NoError(t, err) && assert.True(t, ended) {
						finished.Add(1)
						if text != k.want {
							wrong.Add(1)
							t.Errorf("%s gave %q, alone %q", k.body, text, k.want)
						}
					}
				}
			}
		})
	}
	all.Wait()
	require.Eventually(t, func() bool {
		s, _ := e.Stats()
		return s.Running == 0 && s.Waiting == 0 && s.BlocksFree == s.Blocks
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, e.Check())
	stats, _ := e.Stats()
	after, heapAfter := settle()
	t.Logf("%d answers as alone, %d clients left, %d refused; %d preemptions; goroutines %d, then %d; heap %d KiB, then %d", finished.Load(), left.Load(), refused.Load(),
		stats.Preemptions, before, after, heapBefore>>10, heapAfter>>10)
	assert.Zero(t, wrong.Load())
	assert.Positive(t, finished.Load())
	assert.LessOrEqual(t, after, before+2)
	assert.Less(t, heapAfter, heapBefore+8<<20)
}

// streamed asks for a stream, and leaves after so many events if that is not below 0. It returns the text, and whether the stream came to its end.
func streamed(ctx context.Context, client *http.Client, url, body string, leave int, slow time.Duration) (text string, ended bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", url+"/v1/completions", strings.NewReader(body))
	if err != nil {
		return "", false, err
	}
	got, err := client.Do(r)
	if err != nil {
		return "", false, err
	}
	defer got.Body.Close()
	lines := bufio.NewScanner(got.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			return text, true, nil
		}
		if leave == 0 {
			return text, false, nil
		}
		leave--
		time.Sleep(slow)
		var chunk struct {
			Choices []struct{ Text string }
			Error   *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return text, false, err
		}
		if chunk.Error != nil {
			return text, false, fmt.Errorf("an error came: %s", chunk.Error.Message)
		}
		for _, c := range chunk.Choices {
			text += c.Text
		}
	}
	return text, false, lines.Err()
}

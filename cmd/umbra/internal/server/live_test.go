package server

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/cache"
	"umbra/scheduler"
)

// slow opens the draft model with steps that take a while, so that requests last as long as a test looks at them.
func slow(t *testing.T, o umbra.Options) *umbra.Engine {
	o.OnStep = func(umbra.StepRecord) { time.Sleep(20 * time.Millisecond) }
	e, err := umbra.Open(draft, o)
	return opened(t, e, err)
}

// watching asks for /live and returns its events, until ctx ends.
func watching(t *testing.T, ctx context.Context, url string) func() (liveSnapshot, bool) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", url+"/live", nil)
	require.NoError(t, err)
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { got.Body.Close() })
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "text/event-stream", got.Header.Get("Content-Type"))
	lines := bufio.NewScanner(got.Body)
	lines.Buffer(nil, 1<<20)
	return func() (l liveSnapshot, ok bool) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				require.NotContains(t, data, "secret", "no text of any request")
				require.NoError(t, json.Unmarshal([]byte(data), &l))
				return l, true
			}
		}
		return l, false
	}
}

// TestLive: a request is seen to come, to hold blocks and to go; clients that leave leave nothing, and none holds up the end.
func TestLive(t *testing.T) {
	e := slow(t, umbra.Options{Context: 256, Sequences: 4, Blocks: 40})
	s := New(e, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + l.Addr().String()
	serving, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(serving, l, time.Hour) }()

	look, leave := context.WithCancel(context.Background())
	next := watching(t, look, url)
	first, ok := next()
	require.True(t, ok)
	assert.Empty(t, first.Sequences)
	assert.Equal(t, []int{40, 40, 16, 1}, []int{first.Blocks, first.BlocksFree, first.BlockSize, len(first.Maps)})

	asking, give := context.WithCancel(context.Background())
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		streamed(asking, http.DefaultClient, url, `{"prompt": "// a secret of 123\nfunc", "n": 2, "max_tokens": 200, "stream": true, "ignore_eos": true, "temperature": 0}`, -1, 0)
	}()
	var now liveSnapshot
	for now.Maps == nil || now.Maps[0].Shared == 0 && now.Running == 0 {
		now, ok = next()
		require.True(t, ok)
	}
	require.Len(t, now.Sequences, 2)
	held := map[int]int{}
	m := now.Maps[0]
	owners, err := base64.StdEncoding.DecodeString(m.Owners)
	require.NoError(t, err)
	holders, err := base64.StdEncoding.DecodeString(m.Holders)
	require.NoError(t, err)
	require.Equal(t, []int{2 * 40, 40, 1}, []int{len(owners), len(holders), m.PerCell})
	for i, n := range holders {
		if n > 0 {
			held[int(owners[2*i])|int(owners[2*i+1])<<8]++
		}
	}
	assert.Equal(t, now.Blocks-now.BlocksFree, held[3]+held[4], "all are the two answers': %v", held)
	assert.Equal(t, 40, m.Free+m.Known+held[3]+held[4])
	give()
	<-answered
	for now.Running > 0 {
		now, ok = next()
		require.True(t, ok)
	}
	assert.Equal(t, now.Blocks, now.BlocksFree)
	last := now.Latest[len(now.Latest)-1]
	assert.NotEmpty(t, last.Shares)
	assert.LessOrEqual(t, len(now.Latest), liveSteps)

	leave()
	require.Eventually(t, func() bool { return s.watch.watchers.count() == 0 }, 10*time.Second, 5*time.Millisecond)
	another := watching(t, context.Background(), url)
	_, ok = another()
	require.True(t, ok)
	require.NoError(t, s.watch.watchers.take(liveWatchers-1))
	got, body := fetch(t, "GET", url+"/live")
	assert.Equal(t, 429, got.StatusCode, body)
	stop()
	require.NoError(t, <-ended, "though somebody watches")
	for ok {
		_, ok = another()
	}
	require.NoError(t, e.Check())
}

// TestLiveOnce: however many look, the engine is looked at as often as for one.
func TestLiveOnce(t *testing.T) {
	e := parroting(t)
	s := New(e, Options{})
	one, ok := s.watch.get(e)
	require.True(t, ok)
	require.True(t, s.watch.next.After(time.Now().Add(-time.Second)))
	s.watch.next = time.Now().Add(time.Hour)
	e.Close()
	two, ok := s.watch.get(e)
	require.True(t, ok, "it is not asked again")
	assert.Same(t, &one[0], &two[0])
	s.watch.next = time.Time{}
	_, ok = s.watch.get(e)
	assert.False(t, ok)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/live", nil))
	assert.Equal(t, 503, w.Code, w.Body)
}

func TestMapOf(t *testing.T) {
	cells := make([]cache.Cell, 2*liveCells+1) // three a cell
	for i := range cells {
		cells[i].Owner = cache.Free
	}
	cells[1].Owner = cache.Remembered
	cells[3], cells[4], cells[5] = cache.Cell{Owner: 7, Holders: 1}, cache.Cell{Owner: 300, Holders: 400}, cache.Cell{Owner: cache.Other, Holders: 1}
	cells[8] = cache.Cell{Owner: cache.Other, Holders: 1}
	m := mapOf(cells)
	assert.Equal(t, []int{len(cells), len(cells) - 5, 1, 1, 3}, []int{m.Blocks, m.Free, m.Known, m.Shared, m.PerCell})
	owners, _ := base64.StdEncoding.DecodeString(m.Owners)
	holders, _ := base64.StdEncoding.DecodeString(m.Holders)
	assert.Len(t, holders, (len(cells)+2)/3)
	assert.Equal(t, []byte{1, 0, 303 & 255, 303 >> 8, 2, 0, 0, 0}, owners[:8])
	assert.Equal(t, []byte{0, 255, 1, 0}, holders[:4])

	many := make([]scheduler.SequenceState, liveWaiting+9)
	l := liveOf(umbra.Snapshot{Snapshot: scheduler.Snapshot{Sequences: many, Stats: scheduler.Stats{Running: 2, Waiting: len(many) - 2, Outputs: 10,
		Speculated: scheduler.Speculated{Proposed: [15]int{4, 2}, Accepted: [15]int{3}}}}})
	assert.Len(t, l.Sequences, 2+liveWaiting)
	assert.Equal(t, []int{7, 6, 3}, []int{l.Tokens, l.Proposed, l.Accepted})
}

// BenchmarkLive is what an event costs with 100,000 blocks, but for the time in which steps wait.
func BenchmarkLive(b *testing.B) {
	cells := make([]cache.Cell, 100_000)
	for i := range cells {
		cells[i] = cache.Cell{Owner: int32(i % 64), Holders: 1}
	}
	s := umbra.Snapshot{Snapshot: scheduler.Snapshot{Sequences: make([]scheduler.SequenceState, 64), Stats: scheduler.Stats{Running: 64}, Maps: [][]cache.Cell{cells}}}
	var data []byte
	for b.Loop() {
		data, _ = json.Marshal(liveOf(s))
	}
	b.ReportMetric(float64(len(data)), "bytes")
}

// listening serves until the test ends, and returns the address.
func listening(t *testing.T, web *http.Server) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go web.Serve(l)
	t.Cleanup(func() { web.Close() })
	return "http://" + l.Addr().String()
}

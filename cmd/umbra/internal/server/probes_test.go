package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/internal/parrot"
)

// serving has a server listen; the function ends it and gives what Serve returned.
func serving(t *testing.T, s *Server) (url string, end func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, time.Minute) }()
	return "http://" + l.Addr().String(), func() error {
		stop()
		return <-ended
	}
}

// fetched is the status and the body of an answer, and whether the server closes the connection with it.
func fetched(t *testing.T, url string) (status int, body string, last bool) {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(data), r.Close
}

// TestLoading: a server without an engine lives and is not ready; requests are told to come again, and are answered once there is one.
func TestLoading(t *testing.T) {
	e := parroting(t)
	s := Waiting(Options{Keys: []string{"secret"}})
	url, end := serving(t, s)
	status, body, _ := fetched(t, url+"/health")
	assert.Equal(t, 200, status, body)
	status, body, _ = fetched(t, url+"/ready")
	assert.Equal(t, 503, status)
	assert.JSONEq(t, `{"status": "loading"}`, body)
	for _, path := range []string{"/metrics", "/v1/models", "/v1/completions", "/nowhere"} {
		r, err := http.Get(url + path)
		require.NoError(t, err)
		r.Body.Close()
		assert.Equal(t, 503, r.StatusCode, path)
		assert.Equal(t, "1", r.Header.Get("Retry-After"), path)
	}
	status, body = post(t, url+"/v1/completions", `{"prompt": "x"}`)
	assert.Equal(t, 503, status)
	assert.Contains(t, body, `"code":"loading"`)

	s.Take(e)
	status, body, _ = fetched(t, url+"/ready")
	assert.Equal(t, 200, status, body)
	status, _, _ = fetched(t, url+"/v1/models")
	assert.Equal(t, 401, status, "keys are asked for again")
	require.NoError(t, end())
}

// TestLoadingEnds: a server that is told to end before it has an engine does.
func TestLoadingEnds(t *testing.T) {
	_, end := serving(t, Waiting(Options{Linger: time.Millisecond}))
	assert.NoError(t, end())
}

// TestDeployNames: every metric that docs/deploy.md and the files beside it name is one that /metrics has, and what endpoint pickers
// and autoscalers read are gauges.
func TestDeployNames(t *testing.T) {
	_, url := serve(t, parroting(t), Options{})
	_, text, _ := fetched(t, url+"/metrics")
	kinds := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		kinds[m[1]] = m[2]
	}
	const docs = "../../../../docs/"
	files, err := filepath.Glob(docs + "deploy/kubernetes/*.yaml")
	require.NoError(t, err)
	named := map[string]bool{}
	for _, file := range append(files, docs+"deploy.md") {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`umbra_\w+`).FindAllString(string(data), -1) {
			named[name] = true
			assert.Contains(t, kinds, name, file)
		}
	}
	for _, name := range []string{"umbra_num_requests_waiting", "umbra_num_requests_running", "umbra_kv_cache_usage_perc", "umbra_cache_config_info"} {
		assert.True(t, named[name], name)
		assert.Equal(t, "gauge", kinds[name], name)
	}
	assert.Regexp(t, `umbra_cache_config_info\{block_size="16",num_gpu_blocks="\d+"\} 1`, text)
}

// TestLinger: a server that is told to end says at once that it is not ready, and answers requests all the same for a while, each as the
// last of its connection.
func TestLinger(t *testing.T) {
	s := New(parroting(t), Options{Linger: time.Hour})
	enough := make(chan struct{})
	s.sleep = func(d time.Duration) {
		assert.Equal(t, time.Hour, d)
		<-enough
	}
	url, end := serving(t, s)
	status, _, last := fetched(t, url+"/ready")
	assert.Equal(t, 200, status)
	assert.False(t, last)
	ended := make(chan error)
	go func() { ended <- end() }()
	require.Eventually(t, s.draining.Load, 5*time.Second, time.Millisecond)
	status, body, last := fetched(t, url+"/ready")
	assert.Equal(t, 503, status)
	assert.JSONEq(t, `{"status": "draining"}`, body)
	assert.True(t, last)
	status, body = post(t, url+"/v1/chat/completions", `{"messages": [{"role": "user", "content": "Hi"}], "temperature": 0}`)
	assert.Equal(t, 200, status, body)
	assert.Contains(t, body, parrot.Greeting)
	close(enough)
	require.NoError(t, <-ended)
	_, err := http.Get(url + "/health")
	assert.Error(t, err)
}

// TestLost: a server whose device is lost ends by itself and says why; other errors are their requests' own.
func TestLost(t *testing.T) {
	s := New(parroting(t), Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.note(nil)
	s.note(io.ErrUnexpectedEOF)
	assert.Empty(t, s.broken)
	s.note(fmt.Errorf("umbra: %w", gpu.ErrLost))
	s.note(gpu.ErrLost) // every request that runs then fails so
	assert.ErrorIs(t, s.Serve(context.Background(), l, time.Minute), gpu.ErrLost)
}

// Package server answers HTTP requests in the forms of OpenAI's API, and some of llama.cpp's server, from one engine. It schedules nothing: requests are
// the engine's, run at the same time, and each ends when its client goes away.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"umbra"
	"umbra/gpu"
)

// Options say what a server is like. Zero values are defaults.
type Options struct {
	// Model is the name that /v1/models gives, and answers; "" is the engine's.
	Model string
	// Keys are those one of which clients must give as a bearer token; none is asked for where there are none.
	Keys []string
	// Origins are those that browsers may ask from, or * for any; none by default.
	Origins []string
	// Queue is how many sequences may wait beside those that run; 0 is 64, below 0 none. More are refused with 429.
	Queue int
	// Body is the most bytes of a request's body; 0 is 8 MiB.
	Body int64
	// KeepAlive is how often a stream without news gets a comment; 0 is 15 seconds.
	KeepAlive time.Duration
	// Stall is how long a client may take none of what is written for it; 0 is 30 seconds.
	Stall time.Duration
	// Linger is how long requests are still taken at the end, while /ready says that they should go elsewhere; 0 is not at all.
	Linger time.Duration
	// Version is what /version tells.
	Version string
	// VLLM adds metrics by the names that vLLM has for them.
	VLLM bool
	// NoPage leaves out the page at / and the live view of the scheduler at /live.
	NoPage bool
	// Log gets a line for each request; nil: none does.
	Log *slog.Logger
}

// Server is an http.Handler with what it takes to serve. Make one with New, or before there is an engine with Waiting.
type Server struct {
	engine   *umbra.Engine
	options  Options
	limits   limits
	handler  http.Handler
	metrics  *metrics
	keys     [][32]byte
	room     room
	watch    watch
	loaded   atomic.Bool // the fields above are complete
	draining atomic.Bool
	broken   chan error // takes the first error after which no request can succeed
	http     *http.Server
	sleep    func(time.Duration)
	started  time.Time
}

// limits are the engine's.
type limits struct{ sequences, context, embedding int }

// New makes a server of an engine, which it does not close.
func New(engine *umbra.Engine, o Options) *Server {
	s := Waiting(o)
	s.Take(engine)
	return s
}

// Waiting makes a server that has no engine yet. Until Take gives it one, /health says that the process lives, and all else is answered
// with 503: the model is loading.
func Waiting(o Options) *Server {
	if o.Queue == 0 {
		o.Queue = 64
	}
	if o.Body == 0 {
		o.Body = 8 << 20
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 15 * time.Second
	}
	if o.Stall == 0 {
		o.Stall = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, broken: make(chan error, 1), sleep: time.Sleep, started: time.Now()}
	s.watch.watchers.most = liveWatchers
	for _, key := range o.Keys {
		s.keys = append(s.keys, hashed(key))
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	return s
}

// Take gives a waiting server the engine that requests are for; it does not close it.
func (s *Server) Take(engine *umbra.Engine) {
	info := engine.Info()
	if s.options.Model == "" {
		s.options.Model = info.Name
	}
	if s.options.Model == "" {
		s.options.Model = "umbra"
	}
	s.engine, s.limits = engine, limits{info.Plan.Sequences, info.Context, info.Plan.Config.Embed}
	s.room.most = info.Plan.Sequences + max(0, s.options.Queue)
	s.metrics = newMetrics(s)
	s.handler = s.wrap(s.routes())
	s.loaded.Store(true)
}

func (s *Server) routes() *http.ServeMux {
	m := http.NewServeMux()
	type route struct {
		method, path string
		handle       http.HandlerFunc
	}
	routes := []route{
		{"POST", "/v1/chat/completions", s.chat},
		{"POST", "/v1/completions", s.completions},
		{"POST", "/v1/embeddings", s.embeddings},
		{"GET", "/v1/models", s.models},
		{"GET", "/v1/models/{model...}", s.oneModel},
		{"POST", "/infill", s.infill},
		{"POST", "/tokenize", s.tokenize},
		{"POST", "/detokenize", s.detokenize},
		{"POST", "/apply-template", s.applyTemplate},
		{"GET", "/props", s.props},
		{"GET", "/version", s.version},
		{"GET", "/health", s.health},
		{"GET", "/ready", s.ready},
		{"GET", "/metrics", s.metrics.handler().ServeHTTP},
	}
	if !s.options.NoPage {
		routes = append(routes, route{"GET", "/{$}", s.page}, route{"GET", "/page/{file}", s.page}, route{"GET", "/live", s.live})
	}
	for _, r := range routes {
		m.HandleFunc(r.method+" "+r.path, r.handle)
		m.HandleFunc(r.path, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Allow", r.method)
			s.fail(w, &apiError{status: http.StatusMethodNotAllowed, kind: invalidRequest, code: "method_not_allowed", message: q.URL.Path + " takes " + r.method + ", not " + q.Method})
		})
	}
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, notFound("there is no %s", r.URL.Path))
	})
	return m
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.loaded.Load() {
		s.loading(w, r)
		return
	}
	s.handler.ServeHTTP(w, r)
}

// Serve answers requests from a listener until ctx ends. Then /ready says so, for Options.Linger requests are taken all the same, and after that
// it takes no more and waits for those that run, up to drain. When the device is lost it ends too, with that error: no request can succeed any more.
func (s *Server) Serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(l) }()
	var broken error
	select {
	case err := <-ended:
		return err
	case broken = <-s.broken:
		s.draining.Store(true)
	case <-ctx.Done():
		s.draining.Store(true)
		s.http.SetKeepAlivesEnabled(false) // the next request is to find another server
		s.sleep(s.options.Linger)
	}
	limit, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	err := s.http.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close() // ends the contexts of requests that are left
	}
	<-ended
	if broken != nil {
		return broken
	}
	return err
}

// note has Serve end where an error is the end of the device.
func (s *Server) note(err error) {
	if !errors.Is(err, gpu.ErrLost) {
		return
	}
	select {
	case s.broken <- err:
	default: // it ends already
	}
}

// room counts sequences that run or wait.
type room struct {
	mu          sync.Mutex
	taken, most int
}

// take reserves n sequences, or says why not.
func (r *room) take(n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken+n > r.most {
		return tooMany(r.taken, r.most)
	}
	r.taken += n
	return nil
}

// count is how many are reserved.
func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

func (r *room) give(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= n
}

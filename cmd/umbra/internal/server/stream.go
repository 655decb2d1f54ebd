package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// stream writes server-sent events. Its headers go out with the first event or comment, so that what fails before is an answer of its own.
type stream struct {
	s       *Server
	w       http.ResponseWriter
	control *http.ResponseController
	mu      sync.Mutex
	begun   bool
	last    time.Time
	err     error
	stop    chan struct{}
	ended   sync.WaitGroup
}

// conclude ends an answer, which failed with err unless that is nil: a stream by its last events, which last sends, another by its
// whole body.
func (s *Server) conclude(w http.ResponseWriter, t *stream, err error, last func(), whole func() any) {
	if t != nil {
		t.end()
	}
	switch {
	case err != nil && t != nil:
		t.fail(err)
	case err != nil:
		s.fail(w, err)
	case t != nil:
		last()
	default:
		s.answer(w, http.StatusOK, whole())
	}
}

// startStream begins to send comments where there is no news.
func (s *Server) startStream(w http.ResponseWriter) *stream {
	t := &stream{s: s, w: w, control: http.NewResponseController(w), last: time.Now(), stop: make(chan struct{})}
	t.ended.Go(func() {
		tick := time.NewTicker(s.options.KeepAlive)
		defer tick.Stop()
		for {
			select {
			case <-t.stop:
				return
			case <-tick.C:
				t.mu.Lock()
				if time.Since(t.last) >= s.options.KeepAlive {
					t.write([]byte(": keep-alive\n\n"))
				}
				t.mu.Unlock()
			}
		}
	})
	return t
}

// end sends no more comments. The stream is the caller's alone then.
func (t *stream) end() {
	close(t.stop)
	t.ended.Wait()
}

// write is called with mu held.
func (t *stream) write(data []byte) {
	if t.err != nil {
		return
	}
	if !t.begun {
		t.begun = true
		h := t.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no")
	}
	t.control.SetWriteDeadline(time.Now().Add(t.s.options.Stall)) // where it has no deadlines, it waits
	if _, t.err = t.w.Write(data); t.err == nil {
		t.err = t.control.Flush()
	}
	t.last = time.Now()
}

// send writes an event.
func (t *stream) send(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.raw(data)
}

func (t *stream) raw(data []byte) error {
	var b bytes.Buffer
	b.WriteString("data: ")
	b.Write(data)
	b.WriteString("\n\n")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write(b.Bytes())
	return t.err
}

// fail ends the stream with an error: an answer of its own if nothing has been sent, else an event.
func (t *stream) fail(err error) {
	t.mu.Lock()
	begun := t.begun
	t.mu.Unlock()
	if !begun {
		t.s.fail(t.w, err)
		return
	}
	t.send(errorOf(err).body())
	t.raw([]byte("[DONE]"))
}

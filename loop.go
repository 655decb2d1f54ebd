package umbra

import (
	"errors"
	"sync"
	"time"

	"umbra/scheduler"
	"umbra/scheduler/batch"
)

// ErrClosed is returned for requests to a closed engine.
var ErrClosed = errors.New("umbra: the engine is closed")

// loop owns the scheduler and the model: one goroutine schedules, hands over and commits step after step while there
// are requests, and sleeps otherwise.
type loop struct {
	stepper
	commands  chan func()
	quit      chan struct{}
	ended     chan struct{}
	once      sync.Once
	mailboxes map[uint64]*mailbox // of requests that have not ended; the loop's own
}

func startLoop(s stepper) *loop {
	l := &loop{stepper: s, commands: make(chan func()), quit: make(chan struct{}), ended: make(chan struct{}),
		mailboxes: map[uint64]*mailbox{}}
	l.begin = l.note
	go l.run()
	return l
}

// stop ends the loop and every request, and waits for both.
func (l *loop) stop() {
	l.once.Do(func() { close(l.quit) })
	<-l.ended
}

// atRest is do while no step is on its way.
func (l *loop) atRest(f func()) bool {
	return l.do(func() {
		l.rest(l.deliver)
		f()
	})
}

// do has f run by the loop's goroutine between steps and waits for it. It reports false if the loop has ended.
func (l *loop) do(f func()) bool {
	done := make(chan struct{})
	select {
	case l.commands <- func() { f(); close(done) }:
		<-done
		return true
	case <-l.ended:
		return false
	}
}

func (l *loop) run() {
	defer close(l.ended)
	for {
		select {
		case <-l.quit:
			for id := range l.mailboxes {
				l.cancel(id)
			}
			l.rest(l.deliver)
			return
		case f := <-l.commands:
			f()
			continue
		default:
		}
		events, at, ok := l.step()
		if !ok {
			select {
			case <-l.quit:
			case f := <-l.commands:
				f()
			}
			continue
		}
		for _, e := range events {
			l.deliver(e, at)
		}
	}
}

// add queues a request and returns its id and where its events come.
func (l *loop) add(r scheduler.Request) (id uint64, m *mailbox, err error) {
	alive := l.do(func() {
		if id, err = l.scheduler.Add(r); err == nil {
			m = newMailbox(max(1, r.N))
			l.mailboxes[id] = m
		}
	})
	if !alive {
		return 0, nil, ErrClosed
	}
	return id, m, err
}

// cancel ends a request; its last event says so. Called by the loop's goroutine.
func (l *loop) cancel(id uint64) {
	if e, ok := l.scheduler.Cancel(id); ok {
		l.deliver(e, time.Now())
	}
}

func (l *loop) deliver(e scheduler.Event, at time.Time) {
	m := l.mailboxes[e.ID]
	if m == nil {
		return
	}
	if e.Reason != scheduler.Unfinished {
		m.left--
		if m.left == 0 || e.Answer == scheduler.AllAnswers {
			delete(l.mailboxes, e.ID)
		}
	}
	m.put(delivery{e, at, m.begun})
}

// note keeps when the first step with rows of a request was laid out.
func (l *loop) note(b *batch.Batch) {
	for _, q := range b.Sequences {
		if m := l.mailboxes[q.ID]; m != nil && m.begun.IsZero() {
			m.begun = time.Now()
		}
	}
}

// delivery is an event, when its step ended, and when its request's first step was laid out; zero if there was none.
type delivery struct {
	scheduler.Event
	at, begun time.Time
}

// mailbox holds a request's events until its goroutine takes them, so that a slow reader never holds up a step.
type mailbox struct {
	left  int       // answers that have not ended; the loop's own
	begun time.Time // when its first step was laid out; the loop's own
	mu    sync.Mutex
	queue []delivery
	ready chan struct{} // has an element when queue may not be empty
}

func newMailbox(answers int) *mailbox { return &mailbox{left: answers, ready: make(chan struct{}, 1)} }

func (m *mailbox) put(d delivery) {
	m.mu.Lock()
	m.queue = append(m.queue, d)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take returns what has come since.
func (m *mailbox) take() []delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queue
	m.queue = nil
	return q
}

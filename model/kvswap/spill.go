package kvswap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"umbra/internal/atomicfile"
)

// errCancelled: a job that somebody took back, or that was not begun as the one before it failed.
var errCancelled = errors.New("cancelled")

// States of a job.
const (
	waiting int32 = iota
	writing
	cancelled
)

// job is an entry's file to be written.
type job struct {
	header header
	path   string
	data   []byte // the spiller's from writing on, the store's before; nil when it is not needed any more
	state  atomic.Int32

	// The store's own.
	entry   *entry // nil: cancelled
	blocks  int    // of disk, and of memory if dropped, that end with it
	dropped bool   // nobody but the spiller has its memory
}

// result is what became of a job: the size of its file, or why there is none.
type result struct {
	size int64
	err  error
}

// spiller writes jobs' files. One goroutine has it at a time.
type spiller struct {
	encoder *zstd.Encoder
	create  func(path string) (sink, error)
}

// sink is a file in the making, as atomicfile.File is.
type sink interface {
	io.Writer
	Commit() error
	Drop() error
}

func newSpiller() (spiller, error) {
	z, err := newEncoder()
	return spiller{z, func(path string) (sink, error) { return atomicfile.Create(path, 0o600) }}, err
}

// run writes jobs in order and sends a result for each; results has room for all. After an error nothing is begun.
func (w spiller) run(jobs []*job, results chan<- result) {
	failed := false
	for _, j := range jobs {
		r := result{err: errCancelled}
		if !failed && j.state.CompareAndSwap(waiting, writing) {
			r.size, r.err = w.save(j)
			j.data = nil
			failed = r.err != nil && !errors.Is(r.err, errCancelled)
		}
		results <- r
	}
}

// save writes a job's file, which appears under its name only when it is whole. It need not outlive the process, so
// nothing waits for it to be on the disk itself.
func (w spiller) save(j *job) (size int64, err error) {
	f, err := w.create(j.path)
	if err != nil {
		return 0, err
	}
	defer f.Drop()
	out := &output{w: f, job: j}
	if err := write(out, w.encoder, j.header, j.data); err != nil {
		return 0, err
	}
	return out.size, f.Commit()
}

// output is a job's file as it is written; it ends when the job is cancelled.
type output struct {
	w    io.Writer
	job  *job
	size int64
}

func (o *output) Write(p []byte) (int, error) {
	if o.job.state.Load() == cancelled {
		return 0, errCancelled
	}
	n, err := o.w.Write(p)
	o.size += int64(n)
	return n, err
}

// spill hands entries to the spiller, which must have nothing to do, and does not wait for it.
func (s *Store) spill(entries []*entry) {
	if len(entries) == 0 {
		return
	}
	if s.dir == "" {
		dir, err := os.MkdirTemp(s.config.Dir, "umbra-swap-*")
		if err != nil {
			s.fail(entries[0].blocks, err)
			return
		}
		s.dir = dir
	}
	var jobs []*job
	for _, e := range entries {
		s.files++
		e.job = &job{header: header{e.id, e.blocks}, path: filepath.Join(s.dir, fmt.Sprintf("%d.umbra-swap", s.files)), data: e.data,
			entry: e, blocks: e.blocks}
		s.disk += e.blocks
		jobs = append(jobs, e.job)
	}
	s.jobs, s.results = jobs, make(chan result, len(jobs))
	go s.spiller.run(jobs, s.results)
}

// cancel takes an entry back from the spiller, without waiting. It reports whether the spiller may be reading its bytes yet.
func (s *Store) cancel(e *entry) (reading bool) {
	j := e.job
	if j == nil {
		return false
	}
	e.job, j.entry = nil, nil
	if j.state.Swap(cancelled) == writing {
		return true
	}
	s.disk -= j.blocks
	j.data, j.blocks = nil, 0
	return false
}

// collect takes the results there are.
func (s *Store) collect() {
	for len(s.jobs) > 0 {
		select {
		case r := <-s.results:
			s.settle(r)
		default:
			return
		}
	}
}

// settle takes the first outstanding job's result.
func (s *Store) settle(r result) {
	j := s.jobs[0]
	s.jobs[0] = nil // so that its data can be freed; the spiller has passed it
	s.jobs = s.jobs[1:]
	if r.err == nil {
		s.totals.SpilledBlocks += j.header.blocks
		s.totals.SpilledBytes += r.size
	}
	if e := j.entry; e != nil {
		if e.job = nil; r.err == nil {
			e.file, e.size = j.path, r.size
			return
		}
	} else if r.err == nil {
		os.Remove(j.path)
	}
	s.disk -= j.blocks
	if j.dropped {
		s.host -= j.blocks
	}
	if r.err != nil && !errors.Is(r.err, errCancelled) {
		s.fail(j.header.blocks, r.err)
	}
}

// fail turns spilling off. What is in memory stays there, what is in files can be read.
func (s *Store) fail(blocks int, err error) {
	s.off = true
	dir := s.dir
	if dir == "" {
		if dir = s.config.Dir; dir == "" {
			dir = os.TempDir()
		}
	}
	s.warning = fmt.Errorf("kvswap: %d KV blocks, %.1f MB before compression, could not be written to %s; nothing is lost, but no more is written there: "+
		"make room in it or name another directory, and start again: %w", blocks, float64(blocks)*float64(s.config.BlockBytes)/1e6, dir, err)
}

// Warning returns why nothing is spilled any more, once; nil if there is nothing to say. It is for a log: no contents are
// lost, but from then on there is only memory for what is reserved.
func (s *Store) Warning() error {
	s.collect()
	err := s.warning
	s.warning = nil
	return err
}

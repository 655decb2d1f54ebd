package server

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"umbra"
	"umbra/cache"
	"umbra/scheduler"
)

const (
	// liveEvery is how often /live looks at the engine, at most.
	liveEvery = 250 * time.Millisecond
	// livePart bounds what looking may take of the time that steps could: one part of so many.
	livePart = 50
	// liveCells is the most cells of a map of KV blocks. Larger pools have several blocks a cell.
	liveCells = 8192
	// liveSteps is how many steps a snapshot tells of, liveWaiting how many sequences that wait.
	liveSteps, liveWaiting = 24, 64
	// liveWatchers is the most clients of /live.
	liveWatchers = 64
)

// watch is what all clients of /live share: the latest snapshot, made when one of them asks for it and the last is old enough.
type watch struct {
	mu       sync.Mutex
	data     []byte
	next     time.Time // when there may be another
	watchers room
}

// get is the latest snapshot as JSON, or false once the engine is closed.
func (l *watch) get(engine *umbra.Engine) ([]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := time.Now()
	if start.Before(l.next) {
		return l.data, true
	}
	s, ok := engine.Snapshot()
	if !ok {
		return nil, false
	}
	data, err := json.Marshal(liveOf(s))
	if err != nil {
		panic(err) // of numbers and names
	}
	l.data, l.next = data, start.Add(max(liveEvery, livePart*s.Took))
	return l.data, true
}

// live answers /live: an event whenever something has changed, until the client goes or the server ends.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	if s.watch.watchers.take(1) != nil {
		s.fail(w, &apiError{status: http.StatusTooManyRequests, kind: "rate_limit_error", code: "too_many_watchers", message: "too many clients watch already"})
		return
	}
	defer s.watch.watchers.give(1)
	events := s.startStream(w)
	defer events.end()
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	var sent []byte
	for {
		data, open := s.watch.get(s.engine)
		switch {
		case !open:
			events.fail(umbra.ErrClosed)
			return
		case s.draining.Load():
			return
		case !bytes.Equal(data, sent):
			if events.raw(data) != nil {
				return
			}
			sent = data
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// liveSnapshot is an event of /live.
type liveSnapshot struct {
	Running       int            `json:"running"`
	Waiting       int            `json:"waiting"`
	Steps         int            `json:"steps"`
	Rows          int            `json:"rows"`
	Tokens        int            `json:"tokens"`
	Proposed      int            `json:"proposed"`
	Accepted      int            `json:"accepted"`
	PrefixHits    int            `json:"prefix_hits"`
	PrefixQueries int            `json:"prefix_queries"`
	Preemptions   int            `json:"preemptions"`
	Recomputed    int            `json:"recomputed"`
	Swaps         int            `json:"swaps"`
	Blocks        int            `json:"blocks"`
	BlocksFree    int            `json:"blocks_free"`
	BlockSize     int            `json:"block_size"`
	Sequences     []liveSequence `json:"sequences"` // those that run, then the first that wait
	Maps          []liveMap      `json:"maps"`      // of each pool of blocks
	Latest        []liveStep     `json:"latest"`
}

type liveSequence struct {
	ID          uint64          `json:"id"`
	Answer      int             `json:"answer"`
	State       scheduler.State `json:"state"`
	Prompt      int             `json:"prompt"`
	Tokens      int             `json:"tokens"`
	Computed    int             `json:"computed"`
	Cached      int             `json:"cached"`
	Most        int             `json:"most"`
	Rows        int             `json:"rows"`
	Blocks      int             `json:"blocks"`
	Preemptions int             `json:"preemptions"`
	Priority    int             `json:"priority"`
}

// liveStep is a step: its shares are a sequence's id, which answer, and its rows.
type liveStep struct {
	Number       int         `json:"number"`
	Microseconds int64       `json:"us"`
	Shares       [][3]uint64 `json:"shares"`
}

// liveMap is who has which block, PerCell blocks a cell: of those, the one that most hold.
type liveMap struct {
	Blocks  int `json:"blocks"`
	Free    int `json:"free"`   // nobody holds them, and nothing is known of them
	Known   int `json:"known"`  // nobody holds them, and they can be found again
	Shared  int `json:"shared"` // several hold them
	PerCell int `json:"per_cell"`
	// Owners are two bytes a cell, the lower first, in base64: 0 free, 1 remembered, 2 lent, and from 3 on 3 and the index into Sequences.
	Owners string `json:"owners"`
	// Holders are a byte a cell, in base64: how many hold the block, 255 if more.
	Holders string `json:"holders"`
}

func liveOf(s umbra.Snapshot) liveSnapshot {
	st := s.Stats
	l := liveSnapshot{Running: st.Running, Waiting: st.Waiting, Steps: st.Steps, Rows: st.Rows, Tokens: st.Outputs, PrefixHits: st.PrefixHits,
		PrefixQueries: st.PrefixQueries, Preemptions: st.Preemptions, Recomputed: st.Recomputed, Swaps: st.Swaps, Blocks: st.Blocks, BlocksFree: st.BlocksFree,
		BlockSize: s.BlockSize, Sequences: []liveSequence{}, Latest: []liveStep{}}
	for i, n := range st.Speculated.Proposed {
		l.Proposed += n
		l.Accepted += st.Speculated.Accepted[i]
	}
	l.Tokens -= l.Proposed - l.Accepted // a proposal that did not come true gave no token
	for _, q := range s.Sequences[:min(len(s.Sequences), st.Running+liveWaiting)] {
		l.Sequences = append(l.Sequences, liveSequence(q))
	}
	for _, cells := range s.Maps {
		l.Maps = append(l.Maps, mapOf(cells))
	}
	for _, step := range s.Steps[max(0, len(s.Steps)-liveSteps):] {
		one := liveStep{Number: step.Number, Microseconds: step.Took.Microseconds()}
		for _, share := range step.Shares {
			one.Shares = append(one.Shares, [3]uint64{share.ID, uint64(share.Answer), uint64(share.Rows)})
		}
		l.Latest = append(l.Latest, one)
	}
	return l
}

func mapOf(cells []cache.Cell) liveMap {
	m := liveMap{Blocks: len(cells), PerCell: max(1, (len(cells)+liveCells-1)/liveCells)}
	var owners, holders []byte
	for first := 0; first < len(cells); first += m.PerCell {
		shown := cells[first]
		for _, c := range cells[first:min(len(cells), first+m.PerCell)] {
			switch {
			case c.Owner == cache.Free:
				m.Free++
			case c.Owner == cache.Remembered:
				m.Known++
			case c.Holders > 1:
				m.Shared++
			}
			if c.Holders > shown.Holders || c.Owner == cache.Remembered && shown.Owner == cache.Free {
				shown = c
			}
		}
		owner := uint16(3 + min(shown.Owner, 1<<16-4))
		switch shown.Owner {
		case cache.Free:
			owner = 0
		case cache.Remembered:
			owner = 1
		case cache.Other:
			owner = 2
		}
		owners = binary.LittleEndian.AppendUint16(owners, owner)
		holders = append(holders, byte(min(shown.Holders, 255)))
	}
	m.Owners, m.Holders = base64.StdEncoding.EncodeToString(owners), base64.StdEncoding.EncodeToString(holders)
	return m
}

// Package kvswap keeps the KV blocks of preempted requests while they are off the device: in a bounded pool of host
// memory, and beyond that in files, compressed. It holds opaque bytes, and never sees a device or a scheduler.
//
// An entry is what one request left, so many whole blocks. It is reserved, then put, then fetched and taken, or dropped at
// any time. Where memory runs short, the entries that were put first go to files: the newest request is preempted first
// and all come back in the opposite order, so the first put is wanted last. A goroutine writes, and begins before memory
// is full; an entry's bytes stay in memory until its file is whole, and beyond, as long as nobody needs the room.
//
// A Store is used by one goroutine at a time.
package kvswap

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// ErrLost says that the store does not have an entry's contents. It comes wrapped, with the reason.
var ErrLost = errors.New("the contents are lost")

// Config says how much a Store may hold, and where.
type Config struct {
	// BlockBytes is the size of a block.
	BlockBytes int
	// HostBlocks is how many blocks may be in memory, DiskBlocks how many in files; 0: none are.
	HostBlocks, DiskBlocks int
	// Dir is an existing directory for files, "" the system's temporary one. They are put into a fresh directory in it, which
	// only this user may read, which is made when first needed, and which Close removes.
	Dir string
}

// Store is a bounded pool of entries. Make one with New.
type Store struct {
	config  Config
	entries map[uint64]*entry
	order   []*entry // those that were put, the first first
	host    int      // blocks in memory: reserved, held, and dropped ones that the spiller has not let go of
	disk    int      // blocks in files, whole or to be written
	ahead   int      // blocks of memory to have within reach without waiting for the disk, see spillAhead

	spiller spiller
	jobs    []*job      // handed to the spiller, results outstanding, in this order
	results chan result // of jobs
	dir     string      // "" until there is one
	files   int         // made so far, for their names
	off     bool        // writing has failed: nothing more is spilled
	warning error       // not fetched yet
	decoder *zstd.Decoder
	totals  Stats // sums only
}

// aheadPart is the part of memory that is kept within reach: room for a request or two, while a pool that is never three
// quarters full writes nothing. A choice, not a measurement.
const aheadPart = 4

// entry is what is kept of one request.
type entry struct {
	id      uint64
	blocks  int
	data    []byte // nil: not put yet, or only in its file
	fetched bool   // stays in memory
	job     *job   // not nil: its file is to be written or being written
	file    string // "" if there is none that is whole
	size    int64  // of the file
}

// filled reports whether it has been put.
func (e *entry) filled() bool { return e.data != nil || e.file != "" }

// New makes an empty store.
func New(c Config) (*Store, error) {
	if c.BlockBytes < 1 || c.HostBlocks < 1 || c.DiskBlocks < 0 {
		return nil, fmt.Errorf("kvswap: %d blocks in memory, %d in files, of %d bytes: there must be room for a block in memory", c.HostBlocks, c.DiskBlocks, c.BlockBytes)
	}
	if max(c.HostBlocks, c.DiskBlocks) > min(math.MaxInt/c.BlockBytes, math.MaxInt32) {
		return nil, fmt.Errorf("kvswap: %d blocks in memory, %d in files, of %d bytes: too many", c.HostBlocks, c.DiskBlocks, c.BlockBytes)
	}
	s := &Store{config: c, entries: map[uint64]*entry{}, ahead: c.HostBlocks / aheadPart}
	if c.DiskBlocks == 0 {
		return s, nil
	}
	if c.Dir != "" {
		if info, err := os.Stat(c.Dir); err != nil {
			return nil, fmt.Errorf("kvswap: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("kvswap: %s is not a directory", c.Dir)
		}
	}
	var err error
	if s.spiller, err = newSpiller(); err != nil {
		return nil, err
	}
	if s.decoder, err = newDecoder(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reserve makes room in memory for an entry of so many blocks. Where that is short, it lets go of what is in files too,
// then has those entries spilled that were put first, and waits until they are: memory stays within its bound. It reports
// false, with nothing reserved or begun, where all that does not make enough room, as when the entry is larger than memory
// altogether. An entry of that id must not exist.
func (s *Store) Reserve(id uint64, blocks int) bool {
	if blocks < 1 || s.entries[id] != nil {
		panic(fmt.Sprintf("kvswap: reserve %d blocks for entry %d, exists %v", blocks, id, s.entries[id] != nil))
	}
	if s.entries == nil || !s.room(blocks) {
		return false
	}
	s.entries[id] = &entry{id: id, blocks: blocks}
	s.host += blocks
	return true
}

// Put fills a reserved entry with the bytes of all its blocks. The store keeps data: nobody may write to it again.
func (s *Store) Put(id uint64, data []byte) error {
	e := s.entries[id]
	switch {
	case e == nil:
		return fmt.Errorf("kvswap: put entry %d, for which nothing is reserved", id)
	case e.filled():
		return fmt.Errorf("kvswap: put entry %d a second time", id)
	case len(data) != e.blocks*s.config.BlockBytes:
		return fmt.Errorf("kvswap: put %d bytes as entry %d, want %d blocks of %d", len(data), id, e.blocks, s.config.BlockBytes)
	}
	e.data = data
	s.order = append(s.order, e)
	s.collect()
	s.spillAhead()
	return nil
}

// Fetch has an entry's bytes in memory from now on, until Take or Drop. One that is reserved will be. One that is in a file
// is read, into room made as by Reserve; where none can be made, memory exceeds its bound by this entry. An error is
// ErrLost, and the entry is dropped.
func (s *Store) Fetch(id uint64) error {
	e := s.entries[id]
	if e == nil {
		return unknown(id)
	}
	if e.filled() && e.data == nil {
		s.room(e.blocks)
		if err := s.load(e); err != nil {
			return err
		}
		s.host += e.blocks
	}
	e.fetched = true
	s.cancel(e)
	s.removeFile(e)
	return nil
}

// Take gives an entry's bytes and forgets it. What is only in its file is read, without need of room. The bytes are the
// caller's to read; they must not be written to, as the spiller may be reading them yet. An error is ErrLost, and the entry is
// dropped.
func (s *Store) Take(id uint64) ([]byte, error) {
	e := s.entries[id]
	switch {
	case e == nil:
		return nil, unknown(id)
	case !e.filled():
		s.forget(e)
		return nil, fmt.Errorf("kvswap: entry %d was reserved, but never put: %w", id, ErrLost)
	case e.data == nil:
		if err := s.load(e); err != nil {
			return nil, err
		}
		s.host += e.blocks
	}
	data := e.data
	s.forget(e)
	return data, nil
}

// Drop forgets an entry, if there is one of that id.
func (s *Store) Drop(id uint64) {
	e := s.entries[id]
	if e == nil {
		return
	}
	if j := e.job; j != nil && s.cancel(e) {
		j.dropped = true
		s.host += e.blocks // until the spiller lets go of it
	}
	s.forget(e)
}

// Close forgets everything, waits for the spiller, which gives up at its next write, and removes files and directory.
// Closing twice does nothing.
func (s *Store) Close() error {
	for _, e := range s.entries {
		s.cancel(e)
	}
	for len(s.jobs) > 0 {
		s.settle(<-s.results)
	}
	s.entries, s.order, s.host, s.disk, s.off = nil, nil, 0, 0, true
	if s.decoder != nil {
		s.decoder.Close()
		s.decoder = nil
	}
	dir := s.dir
	if s.dir = ""; dir == "" {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("kvswap: %w", err)
	}
	return nil
}

func unknown(id uint64) error { return fmt.Errorf("kvswap: there is no entry %d: %w", id, ErrLost) }

// load reads an entry's file back into memory that the caller accounts for. What cannot be read is forgotten.
func (s *Store) load(e *entry) error {
	data, err := readFile(e.file, s.decoder, header{e.id, e.blocks}, s.config.BlockBytes)
	if err != nil {
		s.forget(e)
		return fmt.Errorf("kvswap: entry %d of %d blocks: %w: %w", e.id, e.blocks, ErrLost, err)
	}
	s.totals.FetchedBlocks += e.blocks
	s.totals.FetchedBytes += e.size
	e.data = data
	return nil
}

// forget lets go of an entry's memory and of its file.
func (s *Store) forget(e *entry) {
	if e.data != nil || !e.filled() {
		s.host -= e.blocks
	}
	s.cancel(e)
	s.removeFile(e)
	delete(s.entries, e.id)
	if i := slices.Index(s.order, e); i >= 0 {
		s.order = slices.Delete(s.order, i, i+1)
	}
}

// removeFile removes an entry's file, if it has one. One that cannot be removed is left to Close.
func (s *Store) removeFile(e *entry) {
	if e.file != "" {
		os.Remove(e.file)
		e.file, e.size = "", 0
		s.disk -= e.blocks
	}
}

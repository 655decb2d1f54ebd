package kvswap

import (
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gate is a disk whose writes wait until it is opened.
type gate struct {
	sink
	begun, open chan struct{}
}

// shut makes a store's disk wait. begun receives once for each write.
func shut(s *Store) (begun, open chan struct{}) {
	begun, open = make(chan struct{}, 1000), make(chan struct{})
	create := s.spiller.create
	s.spiller.create = func(path string) (sink, error) {
		f, err := create(path)
		if err != nil {
			return nil, err
		}
		return gate{f, begun, open}, nil
	}
	return begun, open
}

func (g gate) Write(p []byte) (int, error) {
	g.begun <- struct{}{}
	<-g.open
	return g.sink.Write(p)
}

func TestSpillsThoseThatWerePutFirst(t *testing.T) {
	s := open(t, 6, 12)
	for id := range uint64(6) {
		put(t, s, 10-id, 3)
	}
	for id := range uint64(6) {
		e := s.entries[10-id]
		assert.Equal(t, id < 4, e.data == nil, "entry %d", e.id)
		assert.Equal(t, id < 4, e.file != "", "entry %d", e.id)
	}
	now := s.Stats()
	assert.Equal(t, []int{6, 6, 12, 12}, []int{now.Entries, now.HostBlocks, now.DiskBlocks, now.SpilledBlocks})
	assert.Equal(t, now.SpilledBytes, now.DiskBytes)
	assert.Greater(t, now.DiskBytes, int64(9000))
	assert.Less(t, now.DiskBytes, int64(12000), "it is compressed")
	assert.False(t, s.Reserve(1, 1), "all is full")
	for id := range uint64(6) { // in the opposite order
		require.NoError(t, s.Fetch(id+5))
		require.LessOrEqual(t, s.Stats().HostBlocks, 6)
		take(t, s, id+5, 3)
	}
	now = s.Stats()
	assert.Equal(t, Stats{SpilledBlocks: 12, FetchedBlocks: 12, SpilledBytes: now.SpilledBytes, FetchedBytes: now.SpilledBytes}, now)
	assert.Len(t, files(t, s.dir), 0)
}

func TestTakeWithoutFetch(t *testing.T) {
	s := open(t, 2, 4)
	for id := range uint64(3) {
		put(t, s, id, 2)
	}
	for id := range uint64(3) {
		take(t, s, id, 2)
		require.LessOrEqual(t, s.Stats().HostBlocks, 2)
	}
}

func TestFetchMakesRoom(t *testing.T) {
	s := open(t, 4, 8)
	for id := range uint64(3) {
		put(t, s, id, 4)
	}
	s.Drop(1) // of the disk 4 blocks are free
	require.NoError(t, s.Fetch(0))
	now := s.Stats()
	assert.Equal(t, []int{4, 4}, []int{now.HostBlocks, now.DiskBlocks}, "the other was spilled")
	assert.False(t, s.Reserve(3, 1), "what was fetched is not spilled again")

	require.NoError(t, s.Fetch(2), "there is no room, and it goes above the bound")
	assert.Equal(t, 8, s.Stats().HostBlocks)
	assert.False(t, s.Reserve(3, 1))
	take(t, s, 0, 4)
	take(t, s, 2, 4)
	put(t, s, 3, 4)
}

// TestWhileBeingWritten takes entries back while the first of them is being written and the others wait for it.
func TestWhileBeingWritten(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, s *Store, id uint64)
		left []int // Entries, HostBlocks, DiskBlocks once the disk goes on
	}{
		{"take", func(t *testing.T, s *Store, id uint64) { take(t, s, id, 2) }, []int{1, 2, 0}},
		{"drop", func(t *testing.T, s *Store, id uint64) { s.Drop(id) }, []int{1, 2, 0}},
		{"fetch", func(t *testing.T, s *Store, id uint64) { require.NoError(t, s.Fetch(id)) }, []int{4, 8, 0}},
		{"fetch and take", func(t *testing.T, s *Store, id uint64) {
			require.NoError(t, s.Fetch(id))
			take(t, s, id, 2)
		}, []int{1, 2, 0}},
		{"fetch and drop", func(t *testing.T, s *Store, id uint64) {
			require.NoError(t, s.Fetch(id))
			s.Drop(id)
		}, []int{1, 2, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, 8, 8)
			begun, disk := shut(s)
			for id := range uint64(4) {
				if id == 3 {
					s.ahead = 6
				}
				put(t, s, id, 2)
			}
			<-begun
			assert.Equal(t, 6, s.Stats().DiskBlocks, "three are on their way")
			for _, id := range []uint64{1, 0, 2} {
				c.do(t, s, id)
			}
			if c.name == "drop" {
				assert.Equal(t, 4, s.Stats().HostBlocks, "the spiller still has one")
			}
			close(disk)
			s.rest()
			now := s.Stats()
			assert.Equal(t, c.left, []int{now.Entries, now.HostBlocks, now.DiskBlocks})
			assert.Empty(t, files(t, s.dir))
			assert.NoError(t, s.Warning())
			s.ahead = 0
			s.Drop(0)
			put(t, s, 0, 2) // the id can be had again
			take(t, s, 0, 2)
		})
	}
}

// TestTakenBackTooLate: the file is whole before the store hears of it, and goes all the same.
func TestTakenBackTooLate(t *testing.T) {
	s := open(t, 4, 8)
	put(t, s, 1, 4)
	s.spill(s.plan(4, 8))
	for len(s.results) == 0 {
		runtime.Gosched()
	}
	require.Len(t, files(t, s.dir), 1)
	take(t, s, 1, 4)
	now := s.Stats()
	assert.Equal(t, []int{0, 0, 0, 4}, []int{now.Entries, now.HostBlocks, now.DiskBlocks, now.SpilledBlocks})
	assert.Empty(t, files(t, s.dir))
}

// TestReserveWaits: nothing is reserved before the spiller has let go of what is in the way.
func TestReserveWaits(t *testing.T) {
	for _, drop := range []bool{false, true} {
		s := open(t, 4, 4)
		begun, disk := shut(s)
		put(t, s, 1, 4)
		s.spill(s.plan(1, 4))
		<-begun
		if drop {
			s.Drop(1)
		}
		var opened atomic.Bool
		go func() {
			runtime.Gosched()
			opened.Store(true)
			close(disk)
		}()
		require.True(t, s.Reserve(2, 4))
		assert.True(t, opened.Load())
		assert.Equal(t, 4, s.Stats().HostBlocks)
	}
}

func TestSpillAhead(t *testing.T) {
	s := open(t, 8, 8)
	s.ahead = 4
	put(t, s, 1, 2)
	put(t, s, 2, 2)
	assert.Zero(t, s.Stats().DiskBlocks, "half of memory is free")
	put(t, s, 3, 2)
	s.rest()
	now := s.Stats()
	assert.Equal(t, []int{6, 2}, []int{now.HostBlocks, now.DiskBlocks}, "the first is in both")
	put(t, s, 4, 2)
	s.rest()
	now = s.Stats()
	assert.Equal(t, []int{8, 4}, []int{now.HostBlocks, now.DiskBlocks})

	shut(s) // for good: nothing may wait for the disk
	require.True(t, s.Reserve(5, 4))
	assert.Nil(t, s.entries[1].data)
	assert.Nil(t, s.entries[2].data)
	now = s.Stats()
	assert.Equal(t, []int{8, 4}, []int{now.HostBlocks, now.DiskBlocks})
	s.Drop(5)
	take(t, s, 1, 2)
	take(t, s, 2, 2)
	now = s.Stats()
	assert.Equal(t, []int{4, 0, 4}, []int{now.HostBlocks, now.DiskBlocks, now.FetchedBlocks})
}

// TestInBoth: what is in memory and in a file is not read when it is wanted, and the file goes.
func TestInBoth(t *testing.T) {
	for _, fetch := range []bool{false, true} {
		s := open(t, 4, 4)
		put(t, s, 1, 4)
		s.spill(s.plan(4, 4))
		s.rest()
		assert.Equal(t, 4, s.Stats().DiskBlocks)
		if fetch {
			require.NoError(t, s.Fetch(1))
			assert.Equal(t, 4, s.Stats().HostBlocks)
			assert.False(t, s.Reserve(2, 1))
		} else {
			take(t, s, 1, 4)
		}
		assert.Zero(t, s.Stats().DiskBlocks)
		assert.Zero(t, s.Stats().FetchedBlocks)
		assert.Empty(t, files(t, s.dir))
	}
}

// TestCloseWhileBeingWritten: Close waits for a write, and no longer.
func TestCloseWhileBeingWritten(t *testing.T) {
	s := open(t, 8, 8)
	begun, disk := shut(s)
	put(t, s, 1, 4)
	put(t, s, 2, 4)
	s.spill(s.plan(8, 8))
	<-begun
	first := s.jobs[0]
	go func() {
		for first.state.Load() != cancelled {
			runtime.Gosched()
		}
		close(disk)
	}()
	require.NoError(t, s.Close())
	assert.Empty(t, begun, "nothing is written after that")
}

// full is a disk that takes so many bytes.
type full struct {
	sink
	left *int
}

func (f full) Write(p []byte) (int, error) {
	if *f.left -= len(p); *f.left < 0 {
		return 0, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return f.sink.Write(p)
}

// TestDiskFull: whatever write fails, nothing is lost, and from then on there is only memory.
func TestDiskFull(t *testing.T) {
	for _, room := range []int{0, 30, 1000, 2000, 4000, 6000} {
		s := open(t, 6, 60)
		create := s.spiller.create
		s.spiller.create = func(path string) (sink, error) {
			f, err := create(path)
			return full{f, &room}, err
		}
		id := uint64(0)
		for ; s.Reserve(id, 2); id++ {
			require.NoError(t, s.Put(id, contents(id, 2)))
		}
		err := s.Warning()
		require.ErrorIs(t, err, syscall.ENOSPC)
		assert.ErrorContains(t, err, "kvswap: 2 KV blocks, 0.0 MB before compression, could not be written to "+s.dir+"; nothing is lost, but")
		require.NoError(t, s.Warning(), "once")
		now := s.Stats()
		assert.Equal(t, []int{int(id), 6, 2*int(id) - 6}, []int{now.Entries, now.HostBlocks, now.DiskBlocks})
		assert.Len(t, files(t, s.dir), int(id)-3, "nothing half-written stays")
		s.Drop(id - 1)
		assert.False(t, s.Reserve(100, 3), "2 are free, and 2 in memory are not spilled any more")
		put(t, s, 100, 2)
		for i := range id - 1 {
			require.NoError(t, s.Fetch(i))
			take(t, s, i, 2)
		}
		assert.NoError(t, s.Warning())
	}
}

// device is a file that is there already.
type device struct{ *os.File }

func (d device) Commit() error { return d.Close() }
func (d device) Drop() error   { return d.Close() }

// TestRealErrors: errors of the system itself.
func TestRealErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, s *Store)
		want  error
	}{
		{"device full", func(t *testing.T, s *Store) {
			if _, err := os.Stat("/dev/full"); err != nil {
				t.Skip("there is no /dev/full")
			}
			s.spiller.create = func(string) (sink, error) {
				f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
				return device{f}, err
			}
		}, syscall.ENOSPC},
		{"no directory", func(t *testing.T, s *Store) { require.NoError(t, os.Remove(s.config.Dir)) }, os.ErrNotExist},
		{"unwritable directory", func(t *testing.T, s *Store) {
			if os.Getuid() <= 0 {
				t.Skip("nothing is unwritable to root, and Windows has no such bits")
			}
			require.NoError(t, os.Chmod(s.config.Dir, 0o500))
		}, os.ErrPermission},
		{"files' directory gone", func(t *testing.T, s *Store) {
			put(t, s, 9, 1)
			s.spill(s.plan(1, 1))
			s.rest()
			s.Drop(9)
			require.NoError(t, os.Remove(s.dir))
		}, os.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, 4, 8)
			c.spoil(t, s)
			put(t, s, 1, 3)
			require.False(t, s.Reserve(2, 2))
			err := s.Warning()
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, s.config.Dir)
			put(t, s, 2, 1)
			take(t, s, 1, 3)
			take(t, s, 2, 1)
		})
	}
}

// TestLost: an entry whose file is not what it was is an error, and is forgotten.
func TestLost(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(path, other string) error
	}{
		{"missing", func(path, _ string) error { return os.Remove(path) }},
		{"empty", func(path, _ string) error { return os.Truncate(path, 0) }},
		{"cut", func(path, _ string) error { return os.Truncate(path, 1000) }},
		{"another's", func(path, other string) error { return os.Rename(other, path) }},
		{"a directory", func(path, _ string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		}},
		{"changed", func(path, _ string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("changed"), 500)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, fetch := range []bool{true, false} {
				s := open(t, 2, 4)
				for id := range uint64(3) {
					put(t, s, id, 2)
				}
				require.NoError(t, c.spoil(s.entries[0].file, s.entries[1].file))
				var err error
				if fetch {
					err = s.Fetch(0)
				} else {
					_, err = s.Take(0)
				}
				require.ErrorIs(t, err, ErrLost)
				require.ErrorContains(t, err, filepath.Base(s.dir), "it says where")
				if c.name == "missing" {
					require.ErrorIs(t, err, os.ErrNotExist, "it says why")
				}
				require.NotContains(t, s.entries, uint64(0))
				take(t, s, 2, 2)
				if c.name != "another's" {
					take(t, s, 1, 2)
					now := s.Stats()
					assert.Equal(t, []int{0, 0, 0}, []int{now.Entries, now.HostBlocks, now.DiskBlocks})
				}
				assert.NoError(t, s.Warning(), "the disk may be good all the same")
			}
		})
	}
}

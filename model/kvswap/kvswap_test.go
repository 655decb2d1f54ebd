package kvswap

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const blockBytes = 1000

// open makes a store whose files are in a fresh directory, and which spills nothing ahead. At the test's end it is closed,
// and must leave neither files nor a goroutine.
func open(t testing.TB, host, disk int) *Store {
	t.Helper()
	dir := t.TempDir()
	s, err := New(Config{BlockBytes: blockBytes, HostBlocks: host, DiskBlocks: disk, Dir: dir})
	require.NoError(t, err)
	s.ahead = 0
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, s.Close(), "twice does nothing")
		assert.Empty(t, files(t, dir))
		assert.False(t, spilling(), "a goroutine is left")
	})
	return s
}

// spilling reports whether some spiller's goroutine goes on, having let those that are at their end get there.
func spilling() bool {
	stacks := make([]byte, 1<<20)
	for range 1000 {
		if !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "spiller.run") {
			return false
		}
		runtime.Gosched()
	}
	return true
}

// files lists what is in a directory and below.
func files(t testing.TB, dir string) (paths []string) {
	for _, pattern := range []string{"*", "*/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		paths = append(paths, found...)
	}
	return paths
}

// contents are an entry's bytes, of which a quarter compresses.
func contents(id uint64, blocks int) []byte {
	r := rand.New(rand.NewPCG(id, 1))
	data := make([]byte, blocks*blockBytes)
	for i := range data {
		if i%blockBytes < blockBytes*3/4 {
			data[i] = byte(r.Uint32())
		}
	}
	return data
}

// put reserves and fills an entry.
func put(t testing.TB, s *Store, id uint64, blocks int) {
	t.Helper()
	require.True(t, s.Reserve(id, blocks))
	require.NoError(t, s.Put(id, contents(id, blocks)))
}

// take checks that an entry is what was put.
func take(t testing.TB, s *Store, id uint64, blocks int) {
	t.Helper()
	data, err := s.Take(id)
	require.NoError(t, err)
	require.True(t, bytes.Equal(contents(id, blocks), data), "entry %d", id)
}

// rest waits until the spiller has nothing to do.
func (s *Store) rest() {
	for len(s.jobs) > 0 {
		s.settle(<-s.results)
	}
}

func TestNewRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{BlockBytes: 0, HostBlocks: 1}, "kvswap: 1 blocks in memory, 0 in files, of 0 bytes: there must be room for a block in memory"},
		{Config{BlockBytes: 8, HostBlocks: 0, DiskBlocks: 9}, "kvswap: 0 blocks in memory, 9 in files, of 8 bytes: there must be room for a block in memory"},
		{Config{BlockBytes: 8, HostBlocks: 1, DiskBlocks: -1}, "kvswap: 1 blocks in memory, -1 in files, of 8 bytes: there must be room for a block in memory"},
		{Config{BlockBytes: math.MaxInt / 2, HostBlocks: 3}, "too many"},
		{Config{BlockBytes: 8, HostBlocks: 1, DiskBlocks: 1, Dir: file + "2"}, file + "2"},
		{Config{BlockBytes: 8, HostBlocks: 1, DiskBlocks: 1, Dir: file}, "is not a directory"},
	} {
		_, err := New(c.config)
		require.ErrorContains(t, err, c.want)
	}
}

func TestOrdinaryUse(t *testing.T) {
	s := open(t, 8, 0)
	require.True(t, s.Reserve(1, 3))
	assert.Equal(t, Stats{Entries: 1, HostBlocks: 3}, s.Stats())
	data := contents(1, 3)
	require.NoError(t, s.Put(1, data))
	put(t, s, 2, 5)
	assert.Equal(t, Stats{Entries: 2, HostBlocks: 8}, s.Stats())
	require.NoError(t, s.Fetch(1))
	require.NoError(t, s.Fetch(1))
	got, err := s.Take(1)
	require.NoError(t, err)
	assert.Same(t, &data[0], &got[0], "it is not copied")
	s.Drop(2)
	s.Drop(2)
	assert.Equal(t, Stats{}, s.Stats())
	assert.NoError(t, s.Warning())
	put(t, s, 1, 8)
	take(t, s, 1, 8)
}

func TestMisuse(t *testing.T) {
	s := open(t, 8, 0)
	require.True(t, s.Reserve(1, 2))
	assert.Panics(t, func() { s.Reserve(1, 2) })
	assert.Panics(t, func() { s.Reserve(2, 0) })
	assert.EqualError(t, s.Put(1, make([]byte, 1999)), "kvswap: put 1999 bytes as entry 1, want 2 blocks of 1000")
	assert.EqualError(t, s.Put(2, nil), "kvswap: put entry 2, for which nothing is reserved")
	require.NoError(t, s.Put(1, contents(1, 2)))
	assert.EqualError(t, s.Put(1, contents(1, 2)), "kvswap: put entry 1 a second time")
	assert.ErrorIs(t, s.Fetch(2), ErrLost)
	_, err := s.Take(2)
	assert.ErrorIs(t, err, ErrLost)

	require.True(t, s.Reserve(3, 2))
	require.NoError(t, s.Fetch(3), "it will be in memory")
	_, err = s.Take(3)
	assert.ErrorIs(t, err, ErrLost)
	assert.Equal(t, Stats{Entries: 1, HostBlocks: 2}, s.Stats())

	require.NoError(t, s.Close())
	assert.False(t, s.Reserve(4, 1))
	assert.Error(t, s.Put(1, contents(1, 2)))
	assert.ErrorIs(t, s.Fetch(1), ErrLost)
	s.Drop(1)
	assert.Equal(t, Stats{}, s.Stats())
}

func TestBounds(t *testing.T) {
	s := open(t, 4, 0)
	assert.False(t, s.Reserve(1, 5))
	require.True(t, s.Reserve(1, 3))
	assert.False(t, s.Reserve(2, 2), "what is reserved counts before it is put")
	put(t, s, 2, 1)
	assert.False(t, s.Reserve(3, 1))
	s.Drop(1)
	put(t, s, 3, 3)

	s = open(t, 4, 6)
	assert.False(t, s.Reserve(1, 5), "the disk does not help an entry larger than memory")
	put(t, s, 1, 4)
	put(t, s, 2, 3)
	assert.Equal(t, 4, s.Stats().DiskBlocks)
	assert.False(t, s.Reserve(3, 2), "3 blocks do not fit beside 4")
	put(t, s, 3, 1)
	take(t, s, 1, 4)
	put(t, s, 4, 2)
	assert.Equal(t, 3, s.Stats().DiskBlocks)
}

// TestEveryBlockIsUsed: with entries of one block all of memory and disk can be had, to the last block.
func TestEveryBlockIsUsed(t *testing.T) {
	for _, ahead := range []int{0, 3, 5} {
		s := open(t, 5, 9)
		s.ahead = ahead
		for id := range uint64(14) {
			put(t, s, id, 1)
		}
		assert.False(t, s.Reserve(14, 1))
		for id := range uint64(14) {
			take(t, s, id, 1)
		}
		s.rest()
		assert.Zero(t, s.Stats().HostBlocks+s.Stats().DiskBlocks)
	}
}

func TestClosedStoreLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir) // Windows
	s, err := New(Config{BlockBytes: blockBytes, HostBlocks: 4, DiskBlocks: 8})
	require.NoError(t, err)
	assert.Empty(t, files(t, os.TempDir()), "no directory before it is needed")
	put(t, s, 1, 4)
	put(t, s, 2, 4)
	require.Len(t, files(t, os.TempDir()), 2, "a directory and a file")
	info, err := os.Stat(s.dir)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.EqualValues(t, 0o700, info.Mode().Perm())
	}
	require.NoError(t, s.Close())
	assert.Empty(t, files(t, os.TempDir()))
}

// BenchmarkSpill puts entries of 64 MiB, each of which has another one written, then reads all back: bytes count twice.
func BenchmarkSpill(b *testing.B) {
	const blocks, size = 64, 1 << 20
	s, err := New(Config{BlockBytes: size, HostBlocks: blocks, DiskBlocks: 4 * blocks, Dir: b.TempDir()})
	require.NoError(b, err)
	defer s.Close()
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, blocks*size)
	for i := 0; i < len(data); i += 4 {
		binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(r.NormFloat64())))
	}
	b.SetBytes(2 * 4 * blocks * size)
	for b.Loop() {
		for id := range uint64(5) {
			require.True(b, s.Reserve(id, blocks))
			require.NoError(b, s.Put(id, data))
		}
		b.ReportMetric(float64(s.Stats().DiskBytes)/(4*blocks*size), "size")
		for id := range uint64(5) {
			_, err := s.Take(4 - id)
			require.NoError(b, err)
		}
	}
}

package term_test

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/cmd/umbra/internal/term"
)

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 1536: "1.50 KiB", 10 << 10: "10.0 KiB", 100 << 10: "100 KiB",
		10<<10 - 1: "10.0 KiB", 1<<20 - 1: "1.00 MiB", 1 << 20: "1.00 MiB", 128 << 20: "128 MiB", 1000 << 20: "1000 MiB",
		1<<30 - 1: "1.00 GiB", 4<<30 - 4: "4.00 GiB", 3 << 40: "3.00 TiB", math.MaxUint64: "16.0 EiB",
	} {
		assert.Equal(t, want, term.Bytes(n), n)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 999: "999", 1000: "1 000", 31489344: "31 489 344", 123456: "123 456",
		math.MaxUint64: "18 446 744 073 709 551 615",
	} {
		assert.Equal(t, want, term.Count(n))
	}
}

func TestRate(t *testing.T) {
	assert.Equal(t, "-", term.Rate(0, 1))
	assert.Equal(t, "-", term.Rate(5, 0))
	assert.Equal(t, "0.25", term.Rate(1, 4))
	assert.Equal(t, "9.99", term.Rate(999, 100))
	assert.Equal(t, "33.3", term.Rate(100, 3))
	assert.Equal(t, "12346", term.Rate(123456, 10))
}

func TestTable(t *testing.T) {
	table := term.NewTable("name", ">bytes", "note")
	table.Row("a", "12345678", "first")
	table.Row("blk.0×", "1")
	assert.Equal(t, 2, table.Len())
	var b bytes.Buffer
	n, err := table.WriteTo(&b)
	require.NoError(t, err)
	assert.EqualValues(t, b.Len(), n)
	assert.Equal(t, strings.Join([]string{
		"name       bytes  note",
		"a       12345678  first",
		"blk.0×         1",
		"",
	}, "\n"), b.String())

	var bare term.Table
	bare.Row("k", "v")
	assert.Equal(t, 1, bare.Len())
	b.Reset()
	_, err = bare.WriteTo(&b)
	require.NoError(t, err)
	assert.Equal(t, "k  v\n", b.String())
}

// A bar must never reach a file: transcripts and logs would fill with it.
func TestProgressOnlyOnTerminals(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/log")
	require.NoError(t, err)
	defer f.Close()
	for _, p := range []*term.Progress{nil, term.NewProgress(f, "loading")} {
		p.Set(1, 2)
		p.Set(2, 2)
		p.End()
	}
	info, err := f.Stat()
	require.NoError(t, err)
	assert.Zero(t, info.Size())
	assert.False(t, term.IsTerminal(f))
	assert.False(t, term.IsTerminal(&bytes.Buffer{}))
}

package tokenizer

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	var got table
	_, ok := got.get(0)
	require.False(t, ok)
	want := map[uint64]int32{}
	for range 20000 {
		key := rng.Uint64N(1 << rng.IntN(40)) // 0 among them, and what is close together
		if rng.IntN(2) == 0 {
			key <<= 32
		}
		value, ok := want[key]
		found, has := got.get(key)
		require.Equal(t, ok, has)
		if ok {
			require.Equal(t, value, found)
			continue
		}
		want[key] = rng.Int32()
		if want[key] == 1<<31-1 {
			want[key] = 0
		}
		got.add(key, want[key])
	}
	for key, value := range want {
		found, ok := got.get(key)
		require.True(t, ok)
		require.Equal(t, value, found)
	}
}

package ngram

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuess(t *testing.T) {
	for _, c := range []struct {
		name  string
		text  []int32
		most  int
		want  []int32
		agree int
	}{
		{"nothing", nil, 3, nil, 0},
		{"never stood before", []int32{1, 2, 3, 4, 1, 3}, 3, nil, 0},
		{"one token is not enough", []int32{1, 2, 3, 1}, 3, nil, 0},
		{"two tokens", []int32{7, 1, 2, 3, 4, 5, 1, 2}, 3, []int32{3, 4, 5}, 2},
		{"the longest wins over the latest", []int32{1, 2, 3, 9, 8, 2, 3, 7, 1, 2, 3}, 1, []int32{9}, 3},
		{"the latest of equals", []int32{1, 2, 8, 5, 1, 2, 9, 6, 1, 2}, 1, []int32{9}, 2},
		{"a repetition goes on", []int32{5, 1, 2, 3, 1, 2, 3}, 8, []int32{1, 2, 3, 1, 2, 3, 1, 2}, 3},
		{"one token over and over", []int32{4, 4, 4}, 4, []int32{4, 4, 4, 4}, 2},
		{"more than the longest order agree", []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2, []int32{11, 0}, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			var x Index
			for n := range len(c.text) + 1 { // token by token is as all at once
				x.Extend(c.text[:n])
			}
			var whole Index
			whole.Extend(c.text)
			require.Equal(t, whole, x)
			got, agree := x.Guess(c.text, c.most)
			require.Equal(t, c.want, got)
			require.Equal(t, c.agree, agree)
		})
	}
}

// TestGuessRandom compares with a search of the whole text.
func TestGuessRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var x Index
	var text []int32
	found := 0
	for range 3000 {
		text = append(text, r.Int32N(4))
		x.Extend(text)
		got, agree := x.Guess(text, 3)
		want := 0
		for _, n := range orders {
			for at := len(text) - 1; at >= n && want == 0; at-- {
				if slices.Equal(text[at-n:at], text[len(text)-n:]) {
					want = at
				}
			}
		}
		if want == 0 {
			require.Nil(t, got)
			continue
		}
		found++
		require.Equal(t, text[want], got[0])
		require.Equal(t, text[want-agree:want], text[len(text)-agree:])
		require.LessOrEqual(t, agree, longest)
	}
	require.Greater(t, found, 2900)
}

func TestStatic(t *testing.T) {
	s := NewStatic([]int32{1, 2, 3, 9, 1, 2, 3, 9, 1, 2, 4, 0, 1, 2, 3})
	id, run, lead, ok := s.Next([]int32{8, 1, 2})
	require.True(t, ok)
	require.Equal(t, []int{3, 2, 2}, []int{int(id), run, lead}, "three times 3, once 4")
	id, run, lead, ok = s.Next([]int32{9, 1, 2})
	require.True(t, ok)
	require.Equal(t, []int{3, 2, 2}, []int{int(id), run, lead}, "after 9 1 2 it is a draw, and the shorter run decides")
	id, run, _, ok = s.Next([]int32{1, 2, 3, 9})
	require.True(t, ok)
	require.Equal(t, []int{1, 4}, []int{int(id), run})
	_, _, _, ok = s.Next([]int32{5, 6, 7})
	require.False(t, ok)
	_, _, _, ok = s.Next([]int32{2})
	require.False(t, ok)
}

// BenchmarkExtend shows that a token costs the same in a long text.
func BenchmarkExtend(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]int32, 1<<17)
	for i := range text {
		text[i] = r.Int32N(1000)
	}
	for _, n := range []int{1 << 10, 1 << 13, 1 << 17} {
		b.Run("", func(b *testing.B) {
			for b.Loop() {
				var x Index
				x.Extend(text[:n])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/token")
		})
	}
}

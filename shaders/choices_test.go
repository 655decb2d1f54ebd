package shaders

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
)

func TestRowClass(t *testing.T) {
	for rows, want := range map[int]string{1: "1", 2: "2", 3: "3-4", 4: "3-4", 5: "5-8", 8: "5-8", 9: "9-16", 16: "9-16", 17: "17-32", 33: "33-64",
		64: "33-64", 65: "65-240", 240: "65-240", 241: "241+", 512: "241+", math.MaxInt: "241+"} {
		assert.Equal(t, want, RowClass(rows), "%d rows", rows)
	}
}

func TestChoicesJSON(t *testing.T) {
	c := Choices{}
	c.Set("q4_0 4096x4096 norm", "1", "stream/lanes=16,groups=8,rows=4,atonce=1,ahead,tokens=1")
	c.Set("q4_0 4096x4096 norm", "9-16", DefaultKernel)
	c.Set("q8_0 64x64", "241+", "gemm64")
	all, others := c.Count()
	assert.Equal(t, 3, all)
	assert.Equal(t, 2, others)
	raw, err := json.Marshal(c)
	require.NoError(t, err)
	var again Choices
	require.NoError(t, json.Unmarshal(raw, &again))
	assert.Equal(t, c, again)
	c.Set("q8_0 64x64", "241+", DefaultKernel)
	_, others = c.Count()
	assert.Equal(t, 1, others)
}

// products are shapes at both sides of the bounds in the tables of defaults.
func products() (all []LinearShape) {
	for _, f := range formats {
		for _, n := range []int{2, 70, 1024, 4096, 8192, 12288, 28672, 131072} {
			for _, k := range []int{31, 1024, 14336} {
				k = f.whole(k)
				all = append(all, LinearShape{Format: f, N: n, K: k, Stride: n}, LinearShape{Format: f, N: n, K: k, Norm: true, Gate: true, Stride: n})
			}
		}
	}
	return all
}

// TestCandidates: every default can be named in Choices, no two candidates have one name, all fit every device, and there are a handful.
func TestCandidates(t *testing.T) {
	d := gputest.Device(t)
	parts, err := d.NewBuffer("parts", gpu.Scratch, 64<<20)
	require.NoError(t, err)
	defer parts.Release()
	for _, s := range products() {
		l, err := NewLinear(d, Tuning{}, s)
		require.NoError(t, err)
		for _, room := range []*gpu.Buffer{nil, parts} {
			l.Parts = room
			for _, rows := range []int{1, 2, 3, 4, 5, 8, 9, 16, 17, 24, 25, 32, 33, 64, 65, 240, 241, 512} {
				require.Contains(t, s.candidates(rows), l.variant(rows), "%s, %d rows", s.Product(), rows)
			}
		}
		for c, top := range rowTops {
			names := map[string]bool{}
			for _, v := range s.candidates(top) {
				require.False(t, names[v.String()], "%s, %s rows: %v", s.Product(), className(c), v)
				names[v.String()] = true
				if v.file == "matvec_stream" {
					_, err = s.stream(v.stream, v.tokens)
				} else if v.file == "gemm_direct" {
					_, _, err = s.direct(v.direct)
				}
				require.NoError(t, err)
			}
			require.Greater(t, len(names), 3)
			require.LessOrEqual(t, len(names), 13, "%s, %s rows", s.Product(), className(c))
		}
	}
}

// TestVariantObeys: a choice is taken for its product and all rows of its class, where it fits.
func TestVariantObeys(t *testing.T) {
	d := gputest.Device(t)
	s := LinearShape{Format: formats[4], N: 4096, K: 4096, Stride: 4096}
	other := LinearShape{Format: formats[4], N: 4096, K: 4096, Norm: true, Stride: 4096}
	const parted = "direct4x16/groups=8,split=8,parts=2,ahead,unroll"
	linear := func(s LinearShape, tuning Tuning, room int) *Linear {
		l, err := NewLinear(d, tuning, s)
		require.NoError(t, err)
		if room > 0 {
			l.Parts, err = d.NewBuffer("parts", gpu.Scratch, uint64(room))
			require.NoError(t, err)
			t.Cleanup(l.Parts.Release)
		}
		return l
	}
	const room = 12 // rows
	standard := linear(s, Tuning{}, 4*2*room*s.joinCols())
	choices := Choices{}
	choices.Set(s.Product(), "1", "matvec1")
	choices.Set(s.Product(), "3-4", "direct4x4/groups=4,split=4,parts=1,ahead,unroll")
	choices.Set(s.Product(), "9-16", parted)
	choices.Set(s.Product(), "241+", "gemm64")
	l := linear(s, Tuning{Choices: choices}, 4*2*room*s.joinCols())
	for rows, want := range map[int]string{1: "matvec1", 3: "direct4x4/groups=4,split=4,parts=1,ahead,unroll", 4: "direct4x4/groups=4,split=4,parts=1,ahead,unroll",
		9: parted, 12: parted, 13: standard.variant(13).String(), 241: "gemm64", 9999: "gemm64", 2: standard.variant(2).String(), 5: standard.variant(5).String()} {
		assert.Equal(t, want, l.variant(rows).String(), "%d rows", rows)
	}
	assert.Equal(t, linear(s, Tuning{}, 0).variant(9), linear(s, Tuning{Choices: choices}, 0).variant(9), "no room")
	assert.Equal(t, linear(other, Tuning{}, 0).variant(1), linear(other, Tuning{Choices: choices}, 0).variant(1), "another product")
	assert.Equal(t, linear(s, Tuning{Narrow: true}, 0).variant(1), linear(s, Tuning{Narrow: true, Choices: choices}, 0).variant(1), "narrow")

	for _, bad := range []string{"", DefaultKernel, "matvec", "matvec2", "gemm64", "direct4x16", "direct64x64/groups=0,split=0,parts=0",
		"stream/lanes=256,groups=256,rows=4,atonce=64,tokens=1", "stream/lanes=0,groups=0,rows=0,atonce=0,tokens=0", "matvec_narrow1"} {
		choices.Set(s.Product(), "1", bad)
		assert.Equal(t, standard.variant(1), linear(s, Tuning{Choices: choices}, 0).variant(1), bad)
	}
	for _, c := range []Choices{nil, {}, {s.Product(): nil}, {s.Product(): {"0": "matvec1", "": "matvec1", "1-2": "matvec1"}}} {
		assert.Equal(t, standard.variant(1), linear(s, Tuning{Choices: c}, 0).variant(1))
	}
}

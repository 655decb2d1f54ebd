package quant

import (
	mathbits "math/bits"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// Where the bits of a column are in its planes, as Layout's table has them: a block with all bits of one column's quant set.
func TestBitPlaces(t *testing.T) {
	fifth := func(c int) int { u, k, i := c%32/8, c%8/2, c%2; return c/32*32 + 8*k + 2*u + i }
	for _, x := range []struct {
		t        gguf.Type
		at       [2]int                // bytes of the block in which quants are
		quant    func(c int) (bit int) // in a row's quants
		bits     int
		high     func(c int) (bit int) // in a row's high bits
		highBits int
	}{
		{gguf.Q5_0, [2]int{2, 22}, func(c int) int { return 4 * c }, 4, fifth, 1},
		{gguf.Q5_K, [2]int{16, 176}, func(c int) int { return 4 * c }, 4, fifth, 1},
		{gguf.Q6_K, [2]int{0, 192}, func(c int) int { return 4 * c }, 4, func(c int) int {
			u, k, i := c%32/8, c%8/2, c%2
			return c/32*64 + u%2*32 + 8*k + 4*(1-u/2) + 2*i
		}, 2},
		{gguf.Q2_K, [2]int{16, 80}, func(c int) int { u, i := c%32/8, c%8; return c/32*64 + u%2*32 + u/2*16 + 2*i }, 2, nil, 0},
		{gguf.Q3_K, [2]int{0, 96}, func(c int) int { u, i := c%32/8, c%8; return c/32*64 + u%2*32 + 4*i + u/2*2 }, 2,
			func(c int) int { u, i := c%32/8, c%8; return c/32*32 + 4*i + u }, 1},
	} {
		cols := x.t.BlockSize()
		l, err := LayoutOf(x.t, cols)
		require.NoError(t, err)
		p, err := planesOf(x.t)
		require.NoError(t, err)
		covered := map[[2]int]bool{}
		for bit := x.at[0] * 8; bit < x.at[1]*8; bit++ {
			src := make([]byte, l.SrcBytesPerRow)
			set := func(on bool) []float32 {
				for i := range src {
					src[i] = 0
				}
				for i := range l.SrcBytesPerRow { // scales that are not zero
					if i < x.at[0] || i >= x.at[1] {
						src[i] = 0x31
					}
				}
				if on {
					src[bit/8] |= 1 << (bit % 8)
				}
				return mustDequantize(t, x.t, src)
			}
			without, with := set(false), set(true)
			column, changed := -1, 0
			for c := range with {
				if with[c] != without[c] {
					column, changed = c, changed+1
				}
			}
			require.Equal(t, 1, changed, "%v: bit %d is a quant's", x.t, bit)
			quants, scales := make([]byte, l.QuantBytesPerRow), make([]byte, l.ScaleBytesPerRow)
			require.NoError(t, l.Repack(src, 1, quants, scales))
			row := p.row(quants, scales)
			place := func(plane []byte) int {
				for i, b := range plane {
					if b != 0 {
						require.Equal(t, 1, mathbits.OnesCount8(b), "%v bit %d", x.t, bit)
						return 8*i + mathbits.TrailingZeros8(b)
					}
				}
				return -1
			}
			if q := place(row.quants); q >= 0 {
				first := x.quant(column)
				assert.True(t, q >= first && q < first+x.bits, "%v: column %d is in bit %d of quants, not from %d on", x.t, column, q, first)
				covered[[2]int{0, q}] = true
			} else {
				h, first := place(row.high), x.high(column)
				assert.True(t, h >= first && h < first+x.highBits, "%v: column %d is in bit %d of high bits, not from %d on", x.t, column, h, first)
				covered[[2]int{1, h}] = true
			}
		}
		assert.Len(t, covered, cols*(x.bits+x.highBits), "%v", x.t)
	}
}

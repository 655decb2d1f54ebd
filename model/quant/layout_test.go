package quant

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

func TestLayoutOf(t *testing.T) {
	for _, c := range []struct {
		t    gguf.Type
		cols int
		want Layout
	}{
		{gguf.F32, 1, Layout{gguf.F32, 1, 32, 4, 128, 0}},
		{gguf.F32, 64, Layout{gguf.F32, 64, 64, 256, 256, 0}},
		{gguf.F16, 33, Layout{gguf.F16, 33, 64, 66, 128, 0}},
		{gguf.BF16, 31, Layout{gguf.BF16, 31, 32, 62, 64, 0}},
		{gguf.Q8_0, 32, Layout{gguf.Q8_0, 32, 32, 34, 32, 4}}, // one scale, padded to a word
		{gguf.Q8_0, 128, Layout{gguf.Q8_0, 128, 128, 136, 128, 8}},
		{gguf.Q4_0, 96, Layout{gguf.Q4_0, 96, 96, 54, 48, 8}},
		{gguf.Q4_1, 96, Layout{gguf.Q4_1, 96, 96, 60, 48, 12}},
		{gguf.Q5_0, 96, Layout{gguf.Q5_0, 96, 96, 66, 48, 20}},
		{gguf.Q5_1, 32, Layout{gguf.Q5_1, 32, 32, 24, 16, 8}},
		{gguf.MXFP4, 160, Layout{gguf.MXFP4, 160, 160, 85, 80, 8}},
		{gguf.Q2_K, 512, Layout{gguf.Q2_K, 512, 512, 168, 128, 40}},
		{gguf.Q3_K, 256, Layout{gguf.Q3_K, 256, 256, 110, 64, 48}},
		{gguf.Q4_K, 256, Layout{gguf.Q4_K, 256, 256, 144, 128, 20}},
		{gguf.Q5_K, 256, Layout{gguf.Q5_K, 256, 256, 176, 128, 52}},
		{gguf.Q6_K, 256, Layout{gguf.Q6_K, 256, 256, 210, 128, 84}},
		{gguf.IQ4_XS, 256, Layout{gguf.IQ4_XS, 256, 256, 136, 128, 12}},
	} {
		got, err := LayoutOf(c.t, c.cols)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	for _, c := range []struct {
		t    gguf.Type
		cols int
	}{{gguf.F32, 0}, {gguf.F32, -1}, {gguf.F32, math.MaxInt}, {gguf.Q8_0, 31}, {gguf.Q4_0, 33}, {gguf.Q6_K, 128}} {
		var bad *SizeError
		_, err := LayoutOf(c.t, c.cols)
		assert.ErrorAs(t, err, &bad, "%v", c)
	}
}

// The planes of one row of two blocks, written down from the layout's definition.
func TestRepackByHand(t *testing.T) {
	var q4 []byte // byte j holds columns j (low) and j+16 (high): column c has quant c%16 in block 0, 15-c%16 in block 1
	for j := range 16 {
		q4 = append(q4, byte(j|j<<4))
	}
	flip := bytes.Clone(q4)
	for j := range flip {
		flip[j] ^= 0xff
	}
	q8 := make([]byte, 64)
	for j := range q8 {
		q8[j] = byte(200 + j)
	}
	up, down := []byte{0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}, []byte{0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01}
	d0, d1, m0, m1 := []byte{1, 2}, []byte{3, 4}, []byte{5, 6}, []byte{7, 8}
	for _, c := range []struct {
		t                   gguf.Type
		src, quants, scales []byte
	}{
		{gguf.Q8_0, join(d0, q8[:32], d1, q8[32:]), q8, join(d0, d1)},
		{gguf.Q4_0, join(d0, q4, d1, flip), join(up, up, down, down), join(d0, d1)},
		{gguf.Q4_1, join(d0, m0, q4, d1, m1, flip), join(up, up, down, down), join(d0, m0, d1, m1)},
	} {
		l, err := LayoutOf(c.t, 64)
		require.NoError(t, err)
		quants, scales := make([]byte, l.QuantBytesPerRow), make([]byte, l.ScaleBytesPerRow)
		require.NoError(t, l.Repack(c.src, 1, quants, scales))
		assert.Equal(t, c.quants, quants, "%v", c.t)
		assert.Equal(t, c.scales, scales, "%v", c.t)
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Planes of rows of 1024 columns and more take at most 3 % more than blocks.
func TestPlaneBytes(t *testing.T) {
	for _, typ := range PlaneTypes() {
		for cols := 1024; cols <= 16384; cols += typ.BlockSize() * 3 {
			if cols%typ.BlockSize() != 0 {
				continue
			}
			l, err := LayoutOf(typ, cols)
			require.NoError(t, err)
			assert.LessOrEqual(t, float64(l.QuantBytesPerRow+l.ScaleBytesPerRow), 1.03*float64(l.SrcBytesPerRow), "%v, %d columns", typ, cols)
		}
	}
}

// Column c of a 4-bit row lies in bits 4(c%8).. of word c/8, whatever the other columns hold.
func TestNibbleOrder(t *testing.T) {
	l, err := LayoutOf(gguf.Q4_0, 32)
	require.NoError(t, err)
	for c := range 32 {
		src := make([]byte, l.SrcBytesPerRow)
		src[2+c%16] = byte(0xf << (c / 16 * 4))
		quants := make([]byte, 16)
		require.NoError(t, l.Repack(src, 1, quants, make([]byte, 4)))
		for w := range 4 {
			var want uint32
			if w == c/8 {
				want = 0xf << (c % 8 * 4)
			}
			assert.Equal(t, want, le.Uint32(quants[4*w:]), "column %d, word %d", c, w)
		}
	}
}

// Planes of random bytes (any scale, NaN included) must unpack to what Dequantize reads; padding is zero.
func TestUnpackEqualsDequantize(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, typ := range PlaneTypes() {
		for _, cols := range []int{1, 31, 32, 33, 64, 95, 96, 160, 256, 768, 1024} {
			if cols%typ.BlockSize() != 0 {
				continue
			}
			l, err := LayoutOf(typ, cols)
			require.NoError(t, err)
			for _, rows := range []int{0, 1, 3} {
				name := fmt.Sprintf("%v %d × %d", typ, rows, cols)
				src := make([]byte, rows*l.SrcBytesPerRow)
				for i := range src {
					src[i] = byte(r.Uint32())
				}
				quants, scales := dirty(rows*l.QuantBytesPerRow), dirty(rows*l.ScaleBytesPerRow)
				require.NoError(t, l.Repack(src, rows, quants, scales), name)
				got := make([]float32, rows*l.Cols)
				require.NoError(t, l.Unpack(quants, scales, rows, got), name)
				want := mustDequantize(t, typ, src)
				for row := range rows {
					part := got[row*l.Cols:][:l.Cols]
					require.Equal(t, bits(want[row*cols:][:cols]), bits(part[:cols]), name)
					require.Equal(t, make([]float32, l.Cols-cols), part[cols:], "%s: padding", name)
				}
				p, err := planesOf(typ)
				require.NoError(t, err)
				if used := p.scaleBytes(l.Cols / group); rows > 0 {
					require.Equal(t, make([]byte, l.ScaleBytesPerRow-used), scales[used:l.ScaleBytesPerRow], "%s: padding of scales", name)
				}

				// The same in two pieces.
				if rows == 3 {
					q, s := dirty(len(quants)), dirty(len(scales))
					qn, sn := l.QuantBytesPerRow, l.ScaleBytesPerRow
					require.NoError(t, l.Repack(src[:l.SrcBytesPerRow], 1, q[:qn], s[:sn]))
					require.NoError(t, l.Repack(src[l.SrcBytesPerRow:], 2, q[qn:], s[sn:]))
					require.Equal(t, quants, q, name)
					require.Equal(t, scales, s, name)
				}
			}
		}
	}
}

// dirty returns n bytes of rubbish.
func dirty(n int) []byte { return bytes.Repeat([]byte{0xa5}, n) }

func TestRepackRefusesSizes(t *testing.T) {
	l, err := LayoutOf(gguf.Q4_1, 64)
	require.NoError(t, err)
	for _, c := range []struct{ rows, src, quants, scales, values int }{
		{2, -1, 0, 0, -1}, {2, 0, -1, 0, 0}, {2, 0, 0, 1, 0}, {2, 1, 0, -4, 1}, {-1, 0, 0, 0, 0}, {math.MaxInt, 0, 0, 0, 0},
	} {
		n := max(0, min(c.rows, 2))
		quants, scales := make([]byte, n*l.QuantBytesPerRow+c.quants), make([]byte, n*l.ScaleBytesPerRow+c.scales)
		var bad *SizeError
		err := l.Repack(make([]byte, n*l.SrcBytesPerRow+c.src), c.rows, quants, scales)
		require.ErrorAs(t, err, &bad, "%v", c)
		err = l.Unpack(quants, scales, c.rows, make([]float32, n*l.Cols+c.values))
		require.ErrorAs(t, err, &bad, "%v", c)
	}
	var unknown *TypeError
	assert.ErrorAs(t, Layout{Type: gguf.IQ1_S}.Repack(nil, 0, nil, nil), &unknown)
}

// BenchmarkRepack counts bytes of GGUF blocks, 64 rows of 4096 columns at a time, as a load does.
func BenchmarkRepack(b *testing.B) {
	const rows = 64
	for _, typ := range PlaneTypes() {
		b.Run(typ.String(), func(b *testing.B) {
			l, err := LayoutOf(typ, 4096)
			require.NoError(b, err)
			src := make([]byte, rows*l.SrcBytesPerRow)
			quants, scales := make([]byte, rows*l.QuantBytesPerRow), make([]byte, rows*l.ScaleBytesPerRow)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if err := l.Repack(src, rows, quants, scales); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

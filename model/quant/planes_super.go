package quant

import "math"

// Planes of types with super-blocks of 256 columns: 8 groups. d is kept as f32 where there is room for it, which it is converted to anyway.

const groups = super / group // of a super-block

// eachSuper calls repack for the super-blocks of a row, with their share of its planes.
func eachSuper(r planeRow, src []byte, blockBytes int, repack func(r planeRow, block []byte)) {
	n := len(src) / blockBytes
	part := func(plane []byte, i int) []byte { return plane[len(plane)/n*i : len(plane)/n*(i+1)] }
	for i := range n {
		repack(planeRow{part(r.quants, i), part(r.high, i), part(r.small, i), part(r.scales, i), nil}, src[i*blockBytes:][:blockBytes])
	}
}

func putFloat(b []byte, x float32)   { le.PutUint32(b, math.Float32bits(x)) }
func getFloat(b []byte) float32      { return math.Float32frombits(le.Uint32(b)) }
func pairs(x uint64) uint64          { return (x | x>>6) & 0x000f000f000f000f } // 2 bits of two bytes each side by side
func twoBits(b []byte, k int) uint64 { return le.Uint64(b) >> (2 * k) & 0x0303030303030303 }
func oneBit(b []byte, k int) uint64  { return le.Uint64(b) >> k & 0x0101010101010101 }

func repackQ2_K(r planeRow, src []byte) {
	eachSuper(r, src, blockBytesQ2_K, func(r planeRow, b []byte) {
		copy(r.small, b[:16]) // a byte has scale and minimum of 16 columns
		copy(r.scales, b[80:84])
		for g := range groups {
			var words [2]uint32
			for u := range 4 {
				x := evenBytes(pairs(twoBits(b[16+g/4*32+8*u:], g%4)))
				x = (x | x>>4) & 0x00ff00ff
				words[u%2] |= (x | x>>8) & 0xffff << (u / 2 * 16)
			}
			le.PutUint32(r.quants[8*g:], words[0])
			le.PutUint32(r.quants[8*g+4:], words[1])
		}
	})
}

func repackQ3_K(r planeRow, src []byte) {
	eachSuper(r, src, blockBytesQ3_K, func(r planeRow, b []byte) {
		clear(r.small[groups:])
		scales := scales3(b[96:108])
		for g := range groups {
			first, second := byte(scales[2*g]+32), byte(scales[2*g+1]+32)
			r.small[g] = first&15 | second<<4
			r.small[groups+g/2] |= (first>>4 | second>>4<<2) << (g % 2 * 4)
			var words [2]uint32
			var high uint32
			for u := range 4 {
				words[u%2] |= lowNibbles(twoBits(b[32+g/4*32+8*u:], g%4)) << (u / 2 * 2)
				high |= lowNibbles(oneBit(b[8*u:], g)) << u
			}
			le.PutUint32(r.quants[8*g:], words[0])
			le.PutUint32(r.quants[8*g+4:], words[1])
			le.PutUint32(r.high[4*g:], high)
		}
		putFloat(r.scales, half(b[108:]))
	})
}

func repackQ4_K(r planeRow, src []byte) {
	eachSuper(r, src, blockBytesQ4_K, func(r planeRow, b []byte) {
		copy(r.scales, b[:4])
		widenScales6(r.small, b[4:16])
		for g := range groups {
			nibblesInOrder(r.quants[16*g:], b[16+g/2*32:], g%2*4)
		}
	})
}

func repackQ5_K(r planeRow, src []byte) {
	eachSuper(r, src, blockBytesQ5_K, func(r planeRow, b []byte) {
		copy(r.scales, b[:4])
		widenScales6(r.small, b[4:16])
		for g := range groups {
			nibblesInOrder(r.quants[16*g:], b[48+g/2*32:], g%2*4)
			var high uint32
			for u := range 4 {
				x := oneBit(b[16+8*u:], g)
				high |= evenBytes((x|x>>7)&0x0003000300030003) << (2 * u)
			}
			le.PutUint32(r.high[4*g:], high)
		}
	})
}

// widenScales6 writes scale and minimum of each group, a byte each.
func widenScales6(small, packed []byte) {
	scales, mins := scales6(packed)
	for g := range groups {
		small[2*g], small[2*g+1] = scales[g], mins[g]
	}
}

func repackQ6_K(r planeRow, src []byte) {
	eachSuper(r, src, blockBytesQ6_K, func(r planeRow, b []byte) {
		copy(r.small, b[192:208])
		putFloat(r.scales, half(b[208:]))
		for g := range groups {
			nibblesInOrder(r.quants[16*g:], b[g/4*64+g%2*32:], g/2%2*4)
			var words [2]uint32
			for u := range 4 {
				words[u%2] |= evenBytes(pairs(twoBits(b[128+g/4*32+8*u:], g%4))) << (4 * (1 - u/2))
			}
			le.PutUint32(r.high[8*g:], words[0])
			le.PutUint32(r.high[8*g+4:], words[1])
		}
	})
}

func repackIQ4_XS(r planeRow, src []byte) {
	eachSuper(r, src, blockBytesIQ4_XS, func(r planeRow, b []byte) {
		putFloat(r.scales, half(b))
		high := le.Uint16(b[2:])
		for g := range groups {
			low := b[4+g/2] >> (g % 2 * 4) & 15
			r.small[g] = low | byte(high>>(2*g)&3<<4) - 32
			inOrder(r.quants[16*g:], b[8+16*g:])
		}
	})
}

func unpackQ2_K(dst []float32, r planeRow) {
	for c := range dst {
		s, d := r.small[c/16], r.scales[c/super*4:]
		u := c % group / 8
		q := le.Uint32(r.quants[c/group*8+u%2*4:]) >> (u/2*16 + c%8*2) & 3
		dst[c] = half(d)*float32(s&15)*float32(q) - half(d[2:])*float32(s>>4)
	}
}

func unpackQ3_K(dst []float32, r planeRow) {
	for c := range dst {
		g, u, i, second := c/group, c%group/8, c%8, c/16%2
		small := r.small[c/super*12:][:12]
		scale := small[g%groups]>>(4*second)&15 | small[groups+g%groups/2]>>(g%2*4+2*second)&3<<4
		q := le.Uint32(r.quants[8*g+u%2*4:])>>(4*i+u/2*2)&3 | le.Uint32(r.high[4*g:])>>(4*i+u)&1<<2
		dst[c] = getFloat(r.scales[c/super*4:]) * (float32(scale) - 32) * (float32(q) - 4)
	}
}

func unpackQ4_K(dst []float32, r planeRow) {
	for c := range dst {
		s, d := r.small[c/group*2:], r.scales[c/super*4:]
		dst[c] = half(d)*float32(s[0])*float32(nibble4(r.quants, c)) - half(d[2:])*float32(s[1])
	}
}

func unpackQ5_K(dst []float32, r planeRow) {
	for c := range dst {
		s, d := r.small[c/group*2:], r.scales[c/super*4:]
		dst[c] = half(d)*float32(s[0])*float32(nibble4(r.quants, c)|fifth(r.high, c)) - half(d[2:])*float32(s[1])
	}
}

func unpackQ6_K(dst []float32, r planeRow) {
	for c := range dst {
		u, k, i := c%group/8, c%8/2, c%2
		high := le.Uint32(r.high[c/group*8+u%2*4:]) >> (8*k + 4*(1-u/2) + 2*i) & 3
		q := float32(uint32(nibble4(r.quants, c)) | high<<4)
		dst[c] = getFloat(r.scales[c/super*4:]) * float32(int8(r.small[c/16])) * (q - 32)
	}
}

func unpackIQ4_XS(dst []float32, r planeRow) {
	for c := range dst {
		dst[c] = getFloat(r.scales[c/super*4:]) * float32(int8(r.small[c/group])) * levelsIQ4[nibble4(r.quants, c)]
	}
}

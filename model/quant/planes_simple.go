package quant

// repackQ4_0 takes scales and quants apart: four u32 words and one f16 per group. IQ4_NL's blocks are the same.
func repackQ4_0(r planeRow, src []byte) {
	quants, scales := r.quants, r.scales
	for len(src) >= blockBytesQ4_0 && len(quants) >= 16 && len(scales) >= 2 {
		*(*[2]byte)(scales) = *(*[2]byte)(src)
		inOrder(quants[:16], src[2:blockBytesQ4_0])
		src, quants, scales = src[blockBytesQ4_0:], quants[16:], scales[2:]
	}
}

// repackQ4_1 is repackQ4_0 with two f16 per group, d then m.
func repackQ4_1(r planeRow, src []byte) {
	quants, scales := r.quants, r.scales
	for len(src) >= blockBytesQ4_1 && len(quants) >= 16 && len(scales) >= 4 {
		*(*[4]byte)(scales) = *(*[4]byte)(src)
		inOrder(quants[:16], src[4:blockBytesQ4_1])
		src, quants, scales = src[blockBytesQ4_1:], quants[16:], scales[4:]
	}
}

func repackQ5_0(r planeRow, src []byte) {
	for g := range len(src) / blockBytesQ5_0 {
		b := src[g*blockBytesQ5_0:][:blockBytesQ5_0]
		copy(r.scales[2*g:], b[:2])
		le.PutUint32(r.high[4*g:], spreadFifths(le.Uint32(b[2:])))
		inOrder(r.quants[16*g:], b[6:])
	}
}

func repackQ5_1(r planeRow, src []byte) {
	for g := range len(src) / blockBytesQ5_1 {
		b := src[g*blockBytesQ5_1:][:blockBytesQ5_1]
		copy(r.scales[4*g:], b[:4])
		le.PutUint32(r.high[4*g:], spreadFifths(le.Uint32(b[4:])))
		inOrder(r.quants[16*g:], b[8:])
	}
}

func repackMXFP4(r planeRow, src []byte) {
	for g := range len(src) / blockBytesMXFP4 {
		b := src[g*blockBytesMXFP4:][:blockBytesMXFP4]
		r.scales[g] = b[0]
		for w := range 4 {
			var word uint32
			for i := range 8 {
				c := 8*w + i
				e2m1 := uint32(b[1+c%16] >> (c / 16 * 4) & 15)
				low, sign := placeFP4(i % 4)
				word |= (e2m1&7<<low | e2m1>>3<<sign) << (i / 4 * 16)
			}
			le.PutUint32(r.quants[16*g+4*w:], word)
		}
	}
}

func unpackQ4_0(dst []float32, r planeRow) {
	for c := range dst {
		dst[c] = half(r.scales[2*(c/group):]) * (float32(nibble4(r.quants, c)) - 8)
	}
}

func unpackQ4_1(dst []float32, r planeRow) {
	for c := range dst {
		s := r.scales[4*(c/group):]
		dst[c] = half(s)*float32(nibble4(r.quants, c)) + half(s[2:])
	}
}

func unpackQ5_0(dst []float32, r planeRow) {
	for c := range dst {
		dst[c] = half(r.scales[2*(c/group):]) * (float32(nibble4(r.quants, c)|fifth(r.high, c)) - 16)
	}
}

func unpackQ5_1(dst []float32, r planeRow) {
	for c := range dst {
		s := r.scales[4*(c/group):]
		dst[c] = half(s)*float32(nibble4(r.quants, c)|fifth(r.high, c)) + half(s[2:])
	}
}

func unpackIQ4_NL(dst []float32, r planeRow) {
	for c := range dst {
		dst[c] = half(r.scales[2*(c/group):]) * levelsIQ4[nibble4(r.quants, c)]
	}
}

func unpackMXFP4(dst []float32, r planeRow) {
	for c := range dst {
		dst[c] = halfE8M0(r.scales[c/group]) * levelsFP4[fp4(r.quants, c)]
	}
}

// placeFP4 is where a half word has the three low bits of one of its four columns, and its sign.
func placeFP4(c int) (low, sign int) { return 9 - 3*c, [4]int{15, 12, 14, 13}[c] }

// fp4 returns column c's 4 bits of a row.
func fp4(quants []byte, c int) byte {
	low, sign := placeFP4(c % 4)
	half := le.Uint32(quants[c/8*4:]) >> (c % 8 / 4 * 16)
	return byte(half>>low&7 | half>>sign&1<<3)
}

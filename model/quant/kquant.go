package quant

// super is the columns of a super-block, ggml's QK_K. Its sub-blocks of 16 or 32 columns have scales of a few bits, which
// multiply one or two f16 of the super-block. All products of a scale, a sub-block's scale and a quant fit a float32's 24 bits,
// so whether the machine fuses a product with the sum after it makes no difference.
const super = 256

// scales6 reads the 8 scales and 8 minimums of 6 bits that Q4_K and Q5_K pack in 12 bytes: the first four of each in the low six
// bits of bytes 0..3 and 4..7, the last four in the nibbles of bytes 8..11 (scale low, minimum high) and the top two bits of
// the first eight bytes.
func scales6(packed []byte) (scale, min [8]byte) {
	for i := range 4 {
		a, b, c := packed[i], packed[i+4], packed[i+8]
		scale[i], min[i] = a&63, b&63
		scale[i+4], min[i+4] = c&15|a>>6<<4, c>>4|b>>6<<4
	}
	return scale, min
}

// putScales6 packs what scales6 reads.
func putScales6(packed []byte, scale, min *[16]float32) {
	for i := range 4 {
		s, m, s4, m4 := unsigned(scale[i]), unsigned(min[i]), unsigned(scale[i+4]), unsigned(min[i+4])
		packed[i], packed[i+4], packed[i+8] = s|s4>>4<<6, m|m4>>4<<6, s4&15|m4<<4
	}
}

package quant

// Block sizes in bytes. Values are -d, 0 or d.
const (
	blockBytesTQ1_0 = 54 // 48 bytes of 5 digits, 4 bytes of 4 digits, f16 d; ggml block_tq1_0
	blockBytesTQ2_0 = 66 // 64 bytes of 4 × 2 bits, f16 d; ggml block_tq2_0
)

// A byte of TQ1_0 holds base-3 digits as a fraction: digit n is the whole part of 3·f, where f is what is left of byte/256 after
// n multiplications by 3. runsTQ1 says which columns share bytes: a run's byte j holds columns j, j+bytes, j+2·bytes, ...
var runsTQ1 = [3]struct{ bytes, digits int }{{32, 5}, {16, 5}, {4, 4}}

func dequantizeTQ1_0(dst []float32, src []byte) {
	for ; len(src) > 0; src = src[blockBytesTQ1_0:] {
		d := half(src[52:])
		at := 0
		for _, run := range runsTQ1 {
			power := byte(1)
			for range run.digits {
				for j, b := range src[at:][:run.bytes] {
					digit := uint16(b*power) * 3 >> 8 // b*power is the fraction left: what exceeds a byte is gone
					dst[j] = d * (float32(digit) - 1)
				}
				dst = dst[run.bytes:]
				power *= 3
			}
			at += run.bytes
		}
	}
}

// dequantizeTQ2_0: quants lie as in Q2_K, and q is the value plus one. 3 stands for 2d; no quantiser writes it.
func dequantizeTQ2_0(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesTQ2_0:], dst[super:] {
		d := half(src[64:])
		for run := range 8 {
			y := dst[32*run:][:32]
			for j, q := range src[run/4*32:][:32] {
				y[j] = d * (float32(q>>(run%4*2)&3) - 1)
			}
		}
	}
}

func encodeTQ1_0(dst []byte, x, w []float32) bool {
	if !putHalf(dst[52:], fitTernary(x, w)) {
		return false
	}
	inv := inverse(half(dst[52:]))
	at := 0
	for _, run := range runsTQ1 {
		for j := range run.bytes {
			n := 0
			for digit := range 5 {
				n *= 3
				if digit < run.digits {
					n += int(nearest(x[digit*run.bytes+j]*inv, -1, 1)) + 1
				}
			}
			dst[at+j] = byte((n*256 + 242) / 243) // rounded up, so that the digits come out whole
		}
		at += run.bytes
		x = x[run.bytes*run.digits:]
	}
	return true
}

func encodeTQ2_0(dst []byte, x, w []float32) bool {
	if !putHalf(dst[64:], fitTernary(x, w)) {
		return false
	}
	inv := inverse(half(dst[64:]))
	clear(dst[:64])
	for run := range 8 {
		quants := dst[run/4*32:][:32]
		for j, v := range x[32*run:][:32] {
			quants[j] |= unsigned(nearest(v*inv, -1, 1)+1) << (run % 4 * 2)
		}
	}
	return true
}

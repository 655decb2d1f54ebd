package quant

// planes says how a type's rows lie in the planes of a Layout, group by group.
type planes struct {
	quantBits int // of a column in the plane of quants
	highBits  int // further bits of a column, in the plane of scales
	smallBits int // small scales of a group there, whole bytes for 8 groups
	scaleBits int // scales of a group there, or its share of 8 groups'

	// repack lays one row of blocks out.
	repack func(r planeRow, src []byte)
	// unpack decodes one row.
	unpack func(dst []float32, r planeRow)
}

// planeRow is one row: its quants, and the parts of its scales.
type planeRow struct {
	quants, high, small, scales []byte
	rest                        []byte // fills the last word up
}

func (p *planes) quantBytes(groups int) int { return groups * p.quantBits * group / 8 }
func (p *planes) highBytes(groups int) int  { return groups * p.highBits * group / 8 }
func (p *planes) smallBytes(groups int) int { return groups * p.smallBits / 8 }

// scaleBytes is the size of the plane of scales without what fills its last word up.
func (p *planes) scaleBytes(groups int) int {
	return p.highBytes(groups) + p.smallBytes(groups) + groups*p.scaleBits/8
}

// row takes the planes of a row apart.
func (p *planes) row(quants, scales []byte) planeRow {
	groups := len(quants) / p.quantBytes(1)
	high, small, all := p.highBytes(groups), p.smallBytes(groups), p.scaleBytes(groups)
	return planeRow{quants, scales[:high], scales[high : high+small], scales[high+small : all], scales[all:]}
}

// lowNibbles gathers the low nibbles of 8 bytes in 32 bits, in the same order.
func lowNibbles(x uint64) uint32 {
	x &= 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	return evenBytes(x)
}

// evenBytes gathers bytes 0, 2, 4 and 6.
func evenBytes(x uint64) uint32 {
	x &= 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// inOrder writes 32 nibbles in column order, of which byte j has columns j (low) and j+16 (high).
func inOrder(dst, block []byte) {
	a, b := le.Uint64(block), le.Uint64(block[8:])
	le.PutUint32(dst, lowNibbles(a))
	le.PutUint32(dst[4:], lowNibbles(b))
	le.PutUint32(dst[8:], lowNibbles(a>>4))
	le.PutUint32(dst[12:], lowNibbles(b>>4))
}

// nibblesInOrder writes 32 nibbles in column order, which 32 bytes have in the 4 bits from shift on.
func nibblesInOrder(dst, src []byte, shift int) {
	for u := range 4 {
		le.PutUint32(dst[4*u:], lowNibbles(le.Uint64(src[8*u:])>>shift))
	}
}

// nibble4 returns column c's 4 bits of a row in column order.
func nibble4(quants []byte, c int) byte { return quants[c/2] >> (c % 2 * 4) & 15 }

// spreadFifths puts bit c of a group's fifth bits where a plane has column c's.
func spreadFifths(bits uint32) (word uint32) {
	for u := range 4 {
		x := bits >> (8 * u) & 255
		x = (x | x<<12) & 0x000f000f
		word |= (x | x<<6) & 0x03030303 << (2 * u)
	}
	return word
}

// fifth returns column c's fifth bit of a row, shifted to its place.
func fifth(high []byte, c int) byte {
	u, k, i := c%group/8, c%8/2, c%2
	return byte(le.Uint32(high[c/group*4:])>>(8*k+2*u+i)&1) << 4
}

package tokenizer

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// charsmap is SentencePiece's precompiled_charsmap: replacements for strings, found by the longest that a text begins with. The strings are a
// double array as Darts-clone writes it, one of 32 bits a node: label in bits 0-7 and 31, whether a value is below it in bit 8, and the offset of
// what is below it in bits 10-30, in units of 256 where bit 9 is set. Below a node with a value, label 0 holds the value: where in texts the
// replacement begins, which ends at a zero byte.
type charsmap struct {
	nodes []uint32
	texts string
}

// longestKey bounds the strings that are looked for, in bytes, whatever a file says. Those of NFKC take up to 18.
const longestKey = 64

// newCharsmap reads the value of tokenizer.ggml.precompiled_charsmap: the length of the double array in bytes, little endian, the array, the texts.
func newCharsmap(values []int64) (charsmap, error) {
	data := make([]byte, len(values))
	for i, v := range values {
		data[i] = byte(v) // int8 and uint8 both
	}
	if len(data) < 4 {
		return charsmap{}, fmt.Errorf("tokenizer: tokenizer.ggml.precompiled_charsmap has %d bytes, fewer than its length takes", len(data))
	}
	n := binary.LittleEndian.Uint32(data)
	data = data[4:]
	if n%4 != 0 || uint64(n) > uint64(len(data)) {
		return charsmap{}, fmt.Errorf("tokenizer: tokenizer.ggml.precompiled_charsmap says %d bytes of nodes in %d", n, len(data))
	}
	m := charsmap{nodes: make([]uint32, n/4), texts: string(data[n:])}
	for i := range m.nodes {
		m.nodes[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	return m, nil
}

// longest returns the replacement of the longest string that text begins with, and that string's length, or 0. Nodes and texts that are not there
// end the search.
func (m *charsmap) longest(text string, w *work) (with string, width int) {
	at := uint32(0)
	if len(m.nodes) > 0 {
		at = below(m.nodes[0])
	}
	for i := range min(len(text), longestKey) {
		w.steps++
		b := uint32(text[i])
		if at ^= b; b == 0 || at >= uint32(len(m.nodes)) {
			break
		}
		node := m.nodes[at]
		if node&(1<<31|0xff) != b {
			break
		}
		at ^= below(node)
		if node&(1<<8) == 0 || at >= uint32(len(m.nodes)) {
			continue
		}
		if from := m.nodes[at] &^ (1 << 31); from < uint32(len(m.texts)) {
			if end := strings.IndexByte(m.texts[from:], 0); end >= 0 {
				with, width = m.texts[from:int(from)+end], i+1
			}
		}
	}
	return with, width
}

func below(node uint32) uint32 { return node >> 10 << (node & (1 << 9) >> 6) }

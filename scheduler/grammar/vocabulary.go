package grammar

import (
	"bytes"
	"slices"
	"sync"
	"unicode/utf8"
)

// Vocabulary is the tokens' bytes, laid out as a trie. It may be used by many goroutines.
type Vocabulary struct {
	pieces [][]byte // by id
	size   int
	long   int // bytes of the longest
	trie
	large []int32 // whole nodes that many tokens are below, the first one among them

	mu   sync.Mutex
	fits map[fitsKey]*runFits
	uses uint64 // of fits
}

// trie is the beginnings of texts that tokens have, depth first. The first node is the empty one.
type trie struct {
	nodes []node
	ids   []int32    // of tokens, in the texts' order
	below []contents // of nodes: what texts have behind them
}

// node is a beginning of texts. Nodes below it follow it.
type node struct {
	skip  int32 // where these end
	first int32 // in ids: the tokens that are it, then those below it
	own   int32 // how many are it
	below int32 // in trie.below; -1 if there are none
	tall  uint16
	depth uint16 // bytes
	byte  uint8
	whole bool // its bytes are whole runes
}

// under are the tokens below a node.
func (t *trie) under(node int32) []int32 {
	n := &t.nodes[node]
	return t.ids[n.first+n.own : t.end(node)]
}

// end is where in ids those of a node and below it are over.
func (t *trie) end(node int32) int32 {
	if skip := t.nodes[node].skip; int(skip) < len(t.nodes) {
		return t.nodes[skip].first
	}
	return int32(len(t.ids))
}

// contents describes bytes, or those of several texts.
type contents struct {
	ascii [2]uint64 // those below 0x80
	wide  bool      // there are others,
	valid bool      // which are UTF-8, but for a rune cut off at an end
}

// maxToken is the most bytes a token may have; a longer one never fits.
const maxToken = 1 << 12

// NewVocabulary makes a vocabulary of size tokens. piece gives a token's bytes, which are kept; without any, a token fits no grammar: so it has to be for
// special tokens and those that end a text.
func NewVocabulary(size int, piece func(id int32) []byte) *Vocabulary {
	v := &Vocabulary{size: size, pieces: make([][]byte, size), fits: map[fitsKey]*runFits{}}
	var all []tail
	for id := range int32(size) {
		p := piece(id)
		if len(p) == 0 || len(p) > maxToken {
			continue
		}
		v.pieces[id] = p
		v.long = max(v.long, len(p))
		all = append(all, tail{p, id})
	}
	slices.SortFunc(all, func(a, b tail) int { return bytes.Compare(a.text, b.text) })
	v.trie = newTrie(all)
	for i := range v.nodes {
		if v.nodes[i].whole && len(v.under(int32(i))) > len(all)/largeNode {
			v.large = append(v.large, int32(i))
		}
	}
	return v
}

// Size is the number of tokens, those included that fit no grammar.
func (v *Vocabulary) Size() int { return v.size }

// tail is a token's bytes, or the last of them.
type tail struct {
	text []byte
	id   int32
}

// newTrie makes a trie of sorted texts.
func newTrie(all []tail) trie {
	t := trie{ids: make([]int32, len(all))}
	for i, x := range all {
		t.ids[i] = x.id
	}
	t.grow(all, 0, 0, true)
	return t
}

// grow appends the node for texts, the first of which is the first-th of all, that have the same first depth bytes, and those below it. It returns what
// the texts have behind these, and the bytes of the longest of that.
func (t *trie) grow(all []tail, first int32, depth int, whole bool) (contents, uint16) {
	at := len(t.nodes)
	t.nodes = append(t.nodes, node{})
	n := node{first: first, below: -1, depth: uint16(depth), whole: whole}
	if depth > 0 {
		n.byte = all[0].text[depth-1]
	}
	for int(n.own) < len(all) && len(all[n.own].text) == depth {
		n.own++
	}
	below := contents{valid: true}
	for i := int(n.own); i < len(all); {
		text := all[i].text
		end := i + 1
		for end < len(all) && all[end].text[depth] == text[depth] {
			end++
		}
		c := text[depth]
		b, tall := t.grow(all[i:end], first+int32(i), depth+1, c < utf8.RuneSelf && whole || c >= utf8.RuneSelf && utf8.Valid(text[:depth+1]))
		if c < utf8.RuneSelf {
			b.ascii[c>>6] |= 1 << (c & 63)
		} else if b.wide = true; whole {
			b.valid = followed(all[i:end], depth)
		}
		below.ascii[0] |= b.ascii[0]
		below.ascii[1] |= b.ascii[1]
		below.wide = below.wide || b.wide
		below.valid = below.valid && b.valid
		n.tall = max(n.tall, tall+1)
		i = end
	}
	if int(n.own) < len(all) {
		n.below = int32(len(t.below))
		t.below = append(t.below, below)
	}
	n.skip = int32(len(t.nodes))
	t.nodes[at] = n
	return below, n.tall
}

// followed reports whether all texts are UTF-8 from a byte on.
func followed(all []tail, from int) bool {
	return !slices.ContainsFunc(all, func(x tail) bool { return !describe(x.text[from:]).valid })
}

// describe describes bytes.
func describe(b []byte) contents {
	c := contents{valid: true}
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			c.ascii[b[i]>>6] |= 1 << (b[i] & 63)
			i++
			continue
		}
		c.wide = true
		n := runeLength(b[i:])
		if n < 0 {
			return c // cut off at the end
		}
		if n == 0 {
			c.valid = false
			n = 1
		}
		i += n
	}
	return c
}

// runeLength is how many bytes the first rune has, 0 if they are none, below 0 if they are the beginning of one.
func runeLength(b []byte) int {
	if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
		return n
	}
	if utf8.FullRune(b) {
		return 0
	}
	return -1
}

package grammar

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// fits are the tokens that are in a run, all or behind what those of a node begin with, and the others by how many characters of them are.
type fits struct {
	ids   []int32  // of those in the run, fewest characters first,
	items []uint32 // and their numbers of characters
	none  []span   // where in the vocabulary's trie those are of which none is in the run
	tails []trie   // of the others, by how many characters are in the run, from one on: what follows them

	// Of the root, for haste: those of ids as bits, and those of at most so many characters.
	all  []uint64
	upTo [fitLengths + 1][]uint64
}

// span is nodes of a trie.
type span struct{ from, end int32 }

// fitLengths is up to how many characters there are bits for.
const fitLengths = 32

// fitting works out what fits into a run behind a node, which is whole.
func (v *Vocabulary) fitting(r *run, node int32) *fits {
	f := &fits{}
	var ids []int32
	var items []uint32
	var tails [][]tail
	top := &v.nodes[node]
	text := make([]byte, top.tall)       // of the node in hand, behind top
	chars := make([]uint32, top.tall+1)  // by bytes of text: how many characters they are, but for one that is cut off,
	starts := make([]uint16, top.tall+1) // and where that begins
	var halves []int32                   // nodes at the end of a cut off first character, each below the one before
	for i := node + 1; i < top.skip; {
		n := &v.nodes[i]
		depth := n.depth - top.depth
		text[depth-1] = n.byte
		start, count := starts[depth-1], chars[depth-1]
		for len(halves) > 0 && v.nodes[halves[len(halves)-1]].depth >= n.depth {
			halves = halves[:len(halves)-1]
		}
		length := 1
		if n.byte >= utf8.RuneSelf || start+1 < depth {
			length = runeLength(text[start:depth])
		}
		if length == 0 || length == 1 && !r.has(n.byte) || length != 1 && !r.runes {
			if count > 0 {
				for len(tails) < int(count) {
					tails = append(tails, nil)
				}
				for _, id := range v.ids[n.first:v.end(i)] {
					tails[count-1] = append(tails[count-1], tail{v.pieces[id][top.depth+start:], id})
				}
			} else {
				for _, half := range halves {
					f.leaves(half, half+1)
				}
				halves = halves[:0]
				f.leaves(i, n.skip)
			}
			i = n.skip
			continue
		}
		for _, id := range v.ids[n.first : n.first+n.own] {
			ids, items = append(ids, id), append(items, count+1)
		}
		if length > 0 {
			start, count = depth, count+1
		} else if count == 0 {
			halves = append(halves, i)
		}
		starts[depth], chars[depth] = start, count
		i++
	}
	f.order(ids, items)
	for _, all := range tails {
		slices.SortFunc(all, func(a, b tail) int { return bytes.Compare(a.text, b.text) })
		f.tails = append(f.tails, newTrie(all))
	}
	if node == 0 {
		f.spread(v.size)
	}
	return f
}

// leaves adds nodes to those of tokens of which no character is in the run, and to those that lead there.
func (f *fits) leaves(from, end int32) {
	if n := len(f.none); n > 0 && f.none[n-1].end == from {
		f.none[n-1].end = end
		return
	}
	f.none = append(f.none, span{from, end})
}

// order takes the tokens in the run, those of fewest characters first.
func (f *fits) order(ids []int32, items []uint32) {
	if len(ids) == 0 {
		return
	}
	starts := make([]int, slices.Max(items)+2)
	for _, n := range items {
		starts[n+1]++
	}
	for n := range starts[1:] {
		starts[n+1] += starts[n]
	}
	f.ids, f.items = make([]int32, len(ids)), make([]uint32, len(ids))
	for i, n := range items {
		f.ids[starts[n]], f.items[starts[n]] = ids[i], n
		starts[n]++
	}
}

// spread fills in the bits.
func (f *fits) spread(size int) {
	at := 0
	so := make([]uint64, (size+63)/64)
	for n := range f.upTo {
		for ; at < len(f.ids) && int(f.items[at]) <= n; at++ {
			so[f.ids[at]>>6] |= 1 << (f.ids[at] & 63)
		}
		f.upTo[n] = slices.Clone(so)
	}
	for ; at < len(f.ids); at++ {
		so[f.ids[at]>>6] |= 1 << (f.ids[at] & 63)
	}
	f.all = so
}

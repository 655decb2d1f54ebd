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
	tails []trie   // by how many characters are in the run: what follows them

	// Of the root, for haste: those of ids as bits, and those of at most so many characters.
	all  []uint64
	upTo [fitLengths + 1][]uint64
}

const (
	fitLengths = 32
	// maxFits is how many runs are kept for a vocabulary; each takes some megabytes for 128k tokens.
	maxFits = 16
	// A run of fewer bytes than smallRun is not worth it, as few tokens are in it, nor is a node with fewer tokens than smallNode below.
	smallRun, smallNode = 8, 48
)

// fitsKey is a run, as far as tokens depend on it.
type fitsKey struct {
	ascii [2]uint64
	runes bool
}

// prepared returns what fits into a run behind a node.
func (v *Vocabulary) prepared(r *run, node int32) *fits {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := fitsKey{r.ascii, r.runes}
	nodes := v.fits[key]
	if nodes == nil {
		if len(v.fits) >= maxFits {
			clear(v.fits)
		}
		nodes = map[int32]*fits{}
		v.fits[key] = nodes
	}
	f := nodes[node]
	if f == nil {
		f = v.fitting(r, node)
		nodes[node] = f
	}
	return f
}

func (v *Vocabulary) fitting(r *run, node int32) *fits {
	type counted struct {
		id    int32
		items uint32
	}
	f := &fits{}
	var in []counted
	var tails [][]tail
	depth := int(v.nodes[node].depth)
	for _, id := range v.under(node) {
		n, rest := r.leave(v.pieces[id][depth:])
		if len(rest) == 0 {
			in = append(in, counted{id, uint32(n)})
			continue
		}
		for len(tails) <= n {
			tails = append(tails, nil)
		}
		tails[n] = append(tails[n], tail{rest, id})
	}
	slices.SortStableFunc(in, func(a, b counted) int { return int(a.items) - int(b.items) })
	for _, x := range in {
		f.ids, f.items = append(f.ids, x.id), append(f.items, x.items)
	}
	for _, all := range tails {
		slices.SortFunc(all, func(a, b tail) int { return bytes.Compare(a.text, b.text) })
		f.tails = append(f.tails, newTrie(all))
	}
	if node == 0 {
		f.spread(v.size)
	}
	return f
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

// leave returns how many characters a text begins with that are in the run, and what follows them. A rune cut off at the end is one.
func (r *run) leave(text []byte) (n int, rest []byte) {
	for ; len(text) > 0; n++ {
		if c := text[0]; c < utf8.RuneSelf {
			if !r.has(c) {
				return n, text
			}
			text = text[1:]
			continue
		}
		length := runeLength(text)
		if length == 0 || !r.runes {
			return n, text
		}
		if length < 0 {
			return n + 1, nil
		}
		text = text[length:]
	}
	return n, nil
}

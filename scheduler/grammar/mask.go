package grammar

import (
	"math"
	"math/bits"
)

// Mask is the tokens by which a text may go on: a bit for each id.
type Mask struct {
	bits  []uint64
	count int
}

// Has reports whether a token is in the mask.
func (m *Mask) Has(id int32) bool {
	return id >= 0 && int(id) < len(m.bits)*64 && m.bits[id>>6]>>(id&63)&1 != 0
}

// Len is how many tokens are in the mask.
func (m *Mask) Len() int { return m.count }

// Apply copies the logits, indexed by id, of tokens in the mask, and gives all others -Inf. dst is as long as logits, and may be them.
func (m *Mask) Apply(dst, logits []float32) {
	no := float32(math.Inf(-1))
	for w := 0; w*64 < len(logits); w++ {
		var set uint64
		if w < len(m.bits) {
			set = m.bits[w]
		}
		part, to := logits[w*64:min(len(logits), w*64+64)], dst[w*64:min(len(logits), w*64+64)]
		switch set {
		case 0:
			for i := range to {
				to[i] = no
			}
		case math.MaxUint64:
			copy(to, part)
		default:
			for i, l := range part {
				if set>>i&1 == 0 {
					l = no
				}
				to[i] = l
			}
		}
	}
}

func (m *Mask) add(ids []int32) {
	for _, id := range ids {
		m.bits[id>>6] |= 1 << (id & 63)
	}
}

// walker finds masks of a vocabulary by an automaton.
type walker struct {
	*automaton
	vocabulary *Vocabulary
	path, side []*state // from the root of a trie to a node, of the vocabulary's and of another
}

// mask is the state's mask.
func (w *walker) mask(s *state) *Mask {
	if s.mask != nil {
		return s.mask
	}
	if w.path == nil {
		w.path, w.side = make([]*state, w.vocabulary.long+1), make([]*state, w.vocabulary.long+1)
	}
	m := &Mask{bits: make([]uint64, (w.vocabulary.size+63)/64)}
	w.path[0] = s
	if w.alone(s) {
		w.goOn(m, s, 0)
	} else {
		w.walk(m, &w.vocabulary.trie, w.path, span{1, int32(len(w.vocabulary.nodes))})
	}
	if w.err != nil {
		return m
	}
	for _, x := range m.bits {
		m.count += bits.OnesCount64(x)
	}
	s.mask = m
	w.bytes += 8 * len(m.bits)
	return m
}

// goOn adds the tokens below a node of the vocabulary's trie by which the state there goes on, whose run is alone: those in the run that are not too
// long, and of the others those whose tails fit where the run has led to.
func (w *walker) goOn(m *Mask, s *state, node int32) {
	r := w.longest(s)
	f := w.vocabulary.prepared(r, node)
	n := len(f.items)
	switch {
	case node == 0 && (n == 0 || f.items[n-1] <= r.reach):
		copy(m.bits, f.all)
	case node == 0 && r.reach <= fitLengths:
		copy(m.bits, f.upTo[r.reach])
	default:
		fit := n
		for fit > 0 && f.items[fit-1] > r.reach {
			fit--
		}
		m.add(f.ids[:fit])
	}
	at := int32(0)
	for _, part := range f.none {
		at = w.walk(m, &w.vocabulary.trie, w.path, span{max(at, part.from), part.end})
	}
	some := r.first()
	for i := range f.tails {
		if s = s.after(w.automaton, some); s == w.nothing {
			return
		}
		w.side[0] = s
		w.walk(m, &f.tails[i], w.side, span{1, int32(len(f.tails[i].nodes))})
	}
}

// walk adds the tokens at nodes of a trie that keep the state alive, path having those of the nodes above. It returns the node to go on with.
func (w *walker) walk(m *Mask, t *trie, path []*state, part span) int32 {
	main := t == &w.vocabulary.trie
	i := part.from
	for i < part.end {
		n := &t.nodes[i]
		to := path[n.depth-1].after(w.automaton, n.byte)
		if to == w.nothing {
			if w.err != nil {
				return part.end
			}
			i = n.skip
			continue
		}
		if n.own > 0 {
			m.add(t.ids[n.first : n.first+n.own])
		}
		if n.below < 0 {
			i++
			continue
		}
		path[n.depth] = to
		below := &t.below[n.below]
		switch r := w.longest(to); {
		case uint32(n.tall) <= r.reach && r.holds(below) && (n.whole || !below.wide):
			m.add(t.under(i))
			i = n.skip
		case main && n.whole && len(t.under(i)) >= smallNode && w.alone(to):
			w.goOn(m, to, i)
			i = n.skip
		default:
			i++
		}
	}
	return i
}

// after is step by a byte, in short where it is known.
func (s *state) after(a *automaton, b byte) *state {
	if s.next != nil {
		if t := s.next[a.classes[b]]; t != nil {
			return t
		}
	}
	return a.step(s, a.classes[b])
}

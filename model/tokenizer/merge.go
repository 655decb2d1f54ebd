package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// mergeTable is the merges of a vocabulary. It works on symbols: the token ids, and past them one symbol for each
// string that merges or single bytes produce but that is no token. Such symbols may take part in further merges; those
// left over at the end are spelled byte by byte.
type mergeTable struct {
	ranks   map[uint64]int32 // pair of symbols → rank, lower first
	product []int32          // by rank: the symbol the pair becomes
	bytes   [256]int32       // the symbol of each byte
	size    int32            // of the vocabulary; symbols below it are token ids
	beyond  []string         // the bytes of symbol size+i
}

const noRank int32 = -1

func pairOf(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// newMergeTable reads merges, each two strings in the byte alphabet with a space between; their order is their rank.
// words are the tokens that may be made, by the bytes they stand for; size is that of the whole vocabulary.
func newMergeTable(merges []string, words map[string]int32, size int) (mergeTable, error) {
	m := mergeTable{
		ranks:   make(map[uint64]int32, len(merges)),
		product: make([]int32, len(merges)),
		size:    int32(size),
	}
	beyond := map[string]int32{}
	symbol := func(bytes string) int32 {
		if id, ok := words[bytes]; ok {
			return id
		}
		id, ok := beyond[bytes]
		if !ok {
			id = m.size + int32(len(m.beyond))
			beyond[bytes] = id
			m.beyond = append(m.beyond, bytes)
		}
		return id
	}
	for b := range m.bytes {
		m.bytes[b] = symbol(string([]byte{byte(b)}))
	}
	for rank, merge := range merges {
		leftText, rightText, ok := strings.Cut(merge, " ")
		if !ok || leftText == "" || rightText == "" {
			return m, fmt.Errorf("tokenizer: merge %d %q is not two parts with a space between", rank, merge)
		}
		left, ok1 := spellOut(leftText)
		right, ok2 := spellOut(rightText)
		if !ok1 || !ok2 {
			continue // no text has these parts
		}
		pair := pairOf(symbol(string(left)), symbol(string(right)))
		if _, ok := m.ranks[pair]; !ok {
			m.ranks[pair] = int32(rank)
			m.product[rank] = symbol(string(left) + string(right))
		}
	}
	return m, nil
}

// append adds the token ids of symbol s to ids. A byte that has no token adds nothing, as in llama.cpp.
func (m *mergeTable) append(ids []int32, s int32) []int32 {
	if s < m.size {
		return append(ids, s)
	}
	for _, b := range []byte(m.beyond[s-m.size]) {
		if id := m.bytes[b]; id < m.size {
			ids = append(ids, id)
		}
	}
	return ids
}

// link is one symbol of a word being merged, in a doubly linked list.
type link struct {
	symbol     int32
	prev, next int32 // positions, or none
	rank       int32 // of the merge with next, or noRank; also once this link was merged into prev
}

// merger merges one word after the other, keeping its memory. Its zero value is ready.
type merger struct {
	links []link
	queue minHeap // of rank<<32 | position of the left link; an entry is stale once that link's rank differs
}

// encode adds the tokens of word to ids: of all pairs of neighbours that have a merge, the one of lowest rank, and
// among equals the leftmost, is merged first, until there is none.
func (g *merger) encode(ids []int32, m *mergeTable, word string) []int32 {
	if len(word) == 1 {
		return m.append(ids, m.bytes[word[0]])
	}
	g.links, g.queue = slices.Grow(g.links[:0], len(word)), slices.Grow(g.queue[:0], len(word))
	for i := range len(word) {
		g.links = append(g.links, link{m.bytes[word[i]], int32(i - 1), int32(i + 1), noRank})
	}
	g.links[len(word)-1].next = none
	for i := range g.links[1:] {
		g.rank(m, int32(i))
	}
	for len(g.queue) > 0 {
		top := g.queue.pop()
		rank, at := int32(top>>32), int32(uint32(top))
		left := &g.links[at]
		if left.rank != rank {
			continue
		}
		right := &g.links[left.next]
		left.symbol, left.next = m.product[rank], right.next
		right.rank = noRank
		if left.next != none {
			g.links[left.next].prev = at
		}
		g.rank(m, at)
		g.rank(m, left.prev)
	}
	for at := int32(0); at != none; at = g.links[at].next {
		ids = m.append(ids, g.links[at].symbol)
	}
	return ids
}

// rank finds the merge of the link at position at with its neighbour, and queues it.
func (g *merger) rank(m *mergeTable, at int32) {
	if at == none {
		return
	}
	left := &g.links[at]
	left.rank = noRank
	if left.next == none {
		return
	}
	if rank, ok := m.ranks[pairOf(left.symbol, g.links[left.next].symbol)]; ok {
		left.rank = rank
		g.queue.push(uint64(rank)<<32 | uint64(at))
	}
}

package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// mergeTable says which neighbours become one symbol, and in what order. There are two kinds. Where the file has merges, they are of pairs of
// symbols. Where it has none (product is nil), two pieces of text merge if together they are a token, by that token's place.
//
// Symbols are the token ids, and past them one for each string that merges or single bytes produce but that is no token. Such symbols may take part
// in further merges; those left over at the end are spelled byte by byte.
type mergeTable struct {
	size int32 // of the vocabulary; symbols below it are token ids

	ranks   table   // pair of symbols → rank, lower first
	product []int32 // by rank: the symbol the pair becomes; nil: text decides

	words   map[string]int32 // tokens that may be made, by the bytes they stand for
	places  []int32          // by token: lower first; equals from left to right
	longest int              // bytes of a token

	byBytes bool           // text begins as single bytes rather than runes
	first   [256]int32     // the symbol of each byte, or of each ASCII rune
	runes   map[rune]int32 // the symbols of other runes; others are in no merge

	spelling
}

// spelling is how text without a token becomes tokens.
type spelling struct {
	bytes   [256]int32 // the token of each byte, or none
	unknown int32      // the token for bytes that have none, or none
}

// spell adds the tokens of text byte by byte. Where bytes have no token it adds that for what is unknown, once, or nothing if there is none.
func (p *spelling) spell(ids []int32, text string) []int32 {
	unknown := p.unknown
	for i := range len(text) {
		switch id := p.bytes[text[i]]; {
		case id != none:
			ids = append(ids, id)
		case unknown != none:
			ids, unknown = append(ids, unknown), none
		}
	}
	return ids
}

const noRank int32 = -1

func pairOf(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// readMerges reads merges, each two strings with a space between, spelled as tokens are; their order is their rank.
func (m *mergeTable) readMerges(merges []string, spellOut func(string) (string, bool)) error {
	m.product = make([]int32, len(merges))
	beyond := map[string]int32{}
	symbol := func(text string) int32 {
		if id, ok := m.words[text]; ok {
			return id
		}
		id, ok := beyond[text]
		if !ok {
			id = m.size + int32(len(beyond))
			beyond[text] = id
		}
		return id
	}
	if m.byBytes {
		for b := range m.first {
			m.first[b] = symbol(string([]byte{byte(b)}))
		}
	} else {
		for b := range m.first {
			m.first[b] = none
		}
		m.runes = map[rune]int32{}
	}
	// single notes the symbols that text begins as.
	single := func(text string, id int32) int32 {
		if r, width := utf8.DecodeRuneInString(text); !m.byBytes && width == len(text) {
			if r < utf8.RuneSelf {
				m.first[r] = id
			} else {
				m.runes[r] = id
			}
		}
		return id
	}
	for text, id := range m.words {
		single(text, id)
	}
	for rank, merge := range merges {
		leftText, rightText, ok := strings.Cut(merge, " ")
		if !ok || leftText == "" || rightText == "" {
			return fmt.Errorf("tokenizer: merge %d %q is not two parts with a space between", rank, merge)
		}
		left, ok1 := spellOut(leftText)
		right, ok2 := spellOut(rightText)
		if !ok1 || !ok2 {
			continue // no text has these parts
		}
		pair := pairOf(single(left, symbol(left)), single(right, symbol(right)))
		if _, ok := m.ranks.get(pair); !ok {
			m.ranks.add(pair, int32(rank))
			m.product[rank] = symbol(left + right)
		}
	}
	return nil
}

// place puts tokens in order: those with a higher score first, none where scores are equal.
func (m *mergeTable) place(scores []float64) {
	byScore := slices.Clone(scores)
	slices.Sort(byScore)
	byScore = slices.Compact(byScore)
	m.places = make([]int32, len(scores))
	for id, score := range scores {
		at, _ := slices.BinarySearch(byScore, score)
		m.places[id] = int32(len(byScore) - 1 - at)
	}
	for text := range m.words {
		m.longest = max(m.longest, len(text))
	}
}

// symbolAt returns the symbol that word[i:] begins as, which is none if no merge has it, and its width in bytes.
func (m *mergeTable) symbolAt(word string, i int) (int32, int) {
	if b := word[i]; b < utf8.RuneSelf || m.byBytes {
		return m.first[b], 1
	}
	r, width := utf8.DecodeRuneInString(word[i:])
	if id, ok := m.runes[r]; ok && (r != utf8.RuneError || width > 1) {
		return id, width
	}
	return none, width
}

// link is one symbol of a word being merged, in a doubly linked list. Its position is where its text begins in the word.
type link struct {
	symbol     int32 // none where text decides
	prev, next int32 // positions; none before the first, the word's length after the last
	rank       int32 // of the merge with next, or noRank; also once this link was merged into prev
}

// merger merges one word after the other, keeping its memory. Its zero value is ready.
type merger struct {
	m     *mergeTable
	word  string
	links []link
	queue minHeap // of rank<<32 | position of the left link; an entry is stale once that link's rank differs
	pairs int     // looked up, ever: what merging costs
}

// encode adds the tokens of word to ids: of all pairs of neighbours that have a merge, the one of lowest rank, and
// among equals the leftmost, is merged first, until there is none.
func (g *merger) encode(ids []int32, m *mergeTable, word string) []int32 {
	if len(word) == 1 {
		return g.append(ids, m, m.first[word[0]], word)
	}
	g.m, g.word = m, word
	g.links, g.queue = slices.Grow(g.links[:0], len(word))[:len(word)], slices.Grow(g.queue[:0], len(word))
	prev := none
	for i := 0; i < len(word); {
		symbol, width := m.symbolAt(word, i)
		g.links[i] = link{symbol, prev, int32(i + width), noRank}
		prev = int32(i)
		i += width
	}
	for at := int32(0); int(at) < len(word); at = g.links[at].next {
		g.rank(at)
	}
	for len(g.queue) > 0 {
		top := g.queue.pop()
		rank, at := int32(top>>32), int32(uint32(top))
		left := &g.links[at]
		if left.rank != rank {
			continue
		}
		right := &g.links[left.next]
		left.next = right.next
		if m.product != nil {
			left.symbol = m.product[rank]
		}
		right.rank = noRank
		if int(left.next) < len(word) {
			g.links[left.next].prev = at
		}
		g.rank(at)
		g.rank(left.prev)
	}
	for at := int32(0); int(at) < len(word); {
		l := g.links[at]
		ids = g.append(ids, m, l.symbol, word[at:l.next])
		at = l.next
	}
	return ids
}

// append adds the tokens of symbol s, which stands for text.
func (g *merger) append(ids []int32, m *mergeTable, s int32, text string) []int32 {
	if m.product == nil {
		if id, ok := m.words[text]; ok {
			return append(ids, id)
		}
	} else if s != none && s < m.size {
		return append(ids, s)
	}
	return m.spell(ids, text)
}

// rank finds the merge of the link at position at with its neighbour, and queues it.
func (g *merger) rank(at int32) {
	if at == none {
		return
	}
	left := &g.links[at]
	left.rank = noRank
	if int(left.next) == len(g.word) {
		return
	}
	right := &g.links[left.next]
	g.pairs++
	var rank int32
	var ok bool
	if g.m.product != nil {
		rank, ok = g.m.ranks.get(pairOf(left.symbol, right.symbol))
	} else if int(right.next-at) <= g.m.longest {
		if rank, ok = g.m.words[g.word[at:right.next]]; ok {
			rank = g.m.places[rank]
		}
	}
	if ok {
		left.rank = rank
		g.queue.push(uint64(rank)<<32 | uint64(at))
	}
}

package tokenizer

// trie finds tokens that are literal text inside a longer text.
// A search takes time linear in the text, times the length of the longest token in the worst case.
type trie struct {
	first [256]int32 // by byte: the node below the root, or 0
	below table      // by node and byte: another node
	ids   []int32    // by node: the token that ends there, or none; node 0 is the root
}

func edge(node int32, b byte) uint64 { return uint64(node)<<8 | uint64(b) }

// add makes text, which must not be empty, a token to be found.
func (t *trie) add(text string, id int32) {
	if t.ids == nil {
		t.ids = []int32{none}
	}
	node := int32(0)
	for i := range len(text) {
		next := t.next(node, text[i])
		if next == 0 {
			next = int32(len(t.ids))
			t.ids = append(t.ids, none)
			if node == 0 {
				t.first[text[i]] = next
			} else {
				t.below.add(edge(node, text[i]), next)
			}
		}
		node = next
	}
	t.ids[node] = id
}

// next returns the node below node by a byte, or 0.
func (t *trie) next(node int32, b byte) int32 {
	if node == 0 {
		return t.first[b]
	}
	if next, ok := t.below.get(edge(node, b)); ok {
		return next
	}
	return 0
}

// find returns the first token in text, the longest of those that begin there: it is text[start:end].
// Without one, start and end are len(text) and id is none.
//
// llama.cpp looks for the longest token of all first, then for the next; the two differ only where tokens overlap
// in the text without one containing the other.
// steps counts the steps taken.
func (t *trie) find(text string, steps *int) (start, end int, id int32) {
	if len(t.ids) == 0 {
		return len(text), len(text), none
	}
	for start := range len(text) {
		node := t.first[text[start]]
		end, id := 0, none
		*steps++
		for i := start + 1; node != 0; i++ {
			*steps++
			if t.ids[node] != none {
				end, id = i, t.ids[node]
			}
			if i == len(text) {
				break
			}
			node = t.next(node, text[i])
		}
		if id != none {
			return start, end, id
		}
	}
	return len(text), len(text), none
}

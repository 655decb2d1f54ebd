package tokenizer

// minHeap is a priority queue of numbers, the smallest first, in the shape of a 4-ary tree: for the large queues of
// long words that is half the levels, hence half the cache misses, of a binary one.
type minHeap []uint64

const heapArity = 4

func (h *minHeap) push(v uint64) {
	s := append(*h, v)
	*h = s
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / heapArity
		if s[parent] <= v {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = v
}

// pop removes and returns the smallest number of a heap that is not empty.
func (h *minHeap) pop() uint64 {
	s := *h
	top, v := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return top
	}
	i := 0
	for {
		child := i*heapArity + 1
		if child >= len(s) {
			break
		}
		least := child
		for c := child + 1; c < min(child+heapArity, len(s)); c++ {
			if s[c] < s[least] {
				least = c
			}
		}
		if v <= s[least] {
			break
		}
		s[i] = s[least]
		i = least
	}
	s[i] = v
	return top
}

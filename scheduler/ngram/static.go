package ngram

// contexts are the lengths of the runs of which a Static knows what follows, longest first.
var contexts = [...]int{4, 3, 2}

// Static knows what mostly followed runs of tokens in texts given at the start. It is safe for concurrent use.
type Static struct{ next map[uint64]vote }

// vote is what Boyer and Moore's majority vote keeps of the tokens that followed a run: the only candidate that can have been more than
// half of them, and its lead.
type vote struct{ id, lead int32 }

// NewStatic counts what follows each run of a text.
func NewStatic(text []int32) *Static {
	s := &Static{next: map[uint64]vote{}}
	for i, id := range text {
		for _, n := range contexts {
			if n > i {
				continue
			}
			h := hash(text[i-n : i])
			v, ok := s.next[h]
			switch {
			case !ok || v.lead == 0:
				v = vote{id, 1}
			case v.id == id:
				v.lead++
			default:
				v.lead--
			}
			s.next[h] = v
		}
	}
	return s
}

// Next returns what mostly followed the longest run of text's last tokens that is known, the run's length, and by how many times
// more than anything else together it did, at least. It reports false if nothing is known.
func (s *Static) Next(text []int32) (id int32, run, lead int, ok bool) {
	for _, n := range contexts {
		if n > len(text) {
			continue
		}
		if v := s.next[hash(text[len(text)-n:])]; v.lead > 0 {
			return v.id, n, int(v.lead), true
		}
	}
	return 0, 0, 0, false
}

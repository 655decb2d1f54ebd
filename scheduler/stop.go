package scheduler

import "bytes"

// stopper watches a stream of bytes for stop strings. Which one stops it, and where, depends on the bytes alone, not
// on how they were cut into tokens: the first to be complete, the longest if several are.
type stopper struct {
	stops [][]byte
	held  []byte // the end of the text so far that is a beginning of a stop string; not emitted yet
}

func newStopper(stops []string) stopper {
	var m stopper
	for _, s := range stops {
		m.stops = append(m.stops, []byte(s))
	}
	return m
}

// push adds bytes to the text. It returns those that no stop string can begin in any more, and whether one is
// complete: then they are the text up to it, and the last.
func (m *stopper) push(piece []byte) (text []byte, stopped bool) {
	if len(m.stops) == 0 {
		return bytes.Clone(piece), false
	}
	known := len(m.held)
	m.held = append(m.held, piece...)
	for end := known + 1; end <= len(m.held); end++ {
		longest := 0
		for _, s := range m.stops {
			if len(s) > longest && bytes.HasSuffix(m.held[:end], s) {
				longest = len(s)
			}
		}
		if longest > 0 {
			text = bytes.Clone(m.held[:end-longest])
			m.held = nil
			return text, true
		}
	}
	start := 0
	for !m.begins(m.held[start:]) {
		start++
	}
	text = bytes.Clone(m.held[:start])
	m.held = append(m.held[:0], m.held[start:]...)
	return text, false
}

// begins reports whether some stop string begins with b, as every one does with nothing.
func (m *stopper) begins(b []byte) bool {
	for _, s := range m.stops {
		if bytes.HasPrefix(s, b) {
			return true
		}
	}
	return false
}

// flush returns what was held back, because no more text will come.
func (m *stopper) flush() []byte {
	held := m.held
	m.held = nil
	return held
}

package grammar

import "sync"

// Grammar is rules made ready for a vocabulary. It keeps what it has found out, for all texts that are held to it, and may be used by many goroutines.
type Grammar struct {
	mu sync.Mutex
	w  walker
}

// Compile makes rules ready for a vocabulary. It fails with an *Error for rules that cannot be.
func Compile(rules Rules, v *Vocabulary) (*Grammar, error) {
	f, err := check(rules)
	if err != nil {
		return nil, err
	}
	n, err := build(f)
	if err != nil {
		return nil, err
	}
	g := &Grammar{w: walker{automaton: newAutomaton(n), vocabulary: v}}
	g.w.prepare()
	return g, nil
}

// Vocabulary is the size of the vocabulary that it is ready for.
func (g *Grammar) Vocabulary() int { return g.w.vocabulary.size }

// Start is a matcher before the first token.
func (g *Grammar) Start() Matcher {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Matcher{g, g.w.start(), g.w.age}
}

// Matcher is how far one text is in its grammar. A copy of it goes its own way.
type Matcher struct {
	grammar *Grammar
	state   *state
	age     int
}

// begin locks the grammar and makes ready for a piece of work.
func (m *Matcher) begin() *walker {
	m.grammar.mu.Lock()
	w := &m.grammar.w
	w.work, w.err = 0, nil
	if w.bytes > stateBytes {
		w.forget()
	}
	if m.age != w.age {
		m.state, m.age = w.again(m.state, map[*state]*state{w.nothing: w.nothing}), w.age
		w.work = 0
	}
	return w
}

// Advance takes a token as the text's next. It reports false, changing nothing, if that does not fit. It fails with ErrAmbiguous or ErrDeep.
func (m *Matcher) Advance(id int32) (bool, error) {
	w := m.begin()
	defer m.grammar.mu.Unlock()
	t := w.after(m.state, id)
	if w.err != nil || t == w.nothing {
		return false, w.err
	}
	m.state = t
	return true, nil
}

// Allows reports whether a token may come next. It fails as Advance does.
func (m *Matcher) Allows(id int32) (bool, error) {
	w := m.begin()
	defer m.grammar.mu.Unlock()
	return w.after(m.state, id) != w.nothing, w.err
}

// after is the state behind a token.
func (w *walker) after(s *state, id int32) *state {
	if id < 0 || int(id) >= w.vocabulary.size || len(w.vocabulary.pieces[id]) == 0 {
		return w.nothing
	}
	for _, b := range w.vocabulary.pieces[id] {
		if s = s.after(w.automaton, b); s == w.nothing {
			break
		}
	}
	return s
}

// Mask is the tokens that may come next; it is shared, and not to be changed. It fails as Advance does.
func (m *Matcher) Mask() (*Mask, error) {
	w := m.begin()
	defer m.grammar.mu.Unlock()
	mask := w.mask(m.state)
	return mask, w.err
}

// MayEnd reports whether the text may end here.
func (m *Matcher) MayEnd() bool { return m.state.ends }

// MustEnd reports whether the text may end here and nothing can follow.
func (m *Matcher) MustEnd() bool { return m.state.ends && len(m.state.readings) == 0 }

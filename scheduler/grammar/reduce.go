package grammar

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// merge makes one of places from which a text goes on alike, as far as a few rounds find them, and leaves out those that nothing leads to.
func (n *net) merge() {
	const rounds = 4
	for range rounds {
		same := make([]int32, len(n.places)) // of each place, the first that is like it
		first := map[string]int32{}
		merged := false
		for i := range n.places {
			p := &n.places[i]
			p.tidy()
			key := p.key(int32(i))
			if j, ok := first[key]; ok {
				same[i], merged = j, true
			} else {
				first[key], same[i] = int32(i), int32(i)
			}
		}
		if !merged {
			break
		}
		n.renumber(func(p int32) int32 { return same[p] })
	}
	n.trim()
}

// tidy makes one of moves to the same place, and of calls that are the same.
func (p *place) tidy() {
	slices.SortFunc(p.moves, func(a, b move) int { return cmp.Compare(a.to, b.to) })
	kept := p.moves[:0]
	for _, m := range p.moves {
		if k := len(kept); k > 0 && kept[k-1].to == m.to {
			for w := range m.set {
				kept[k-1].set[w] |= m.set[w]
			}
			continue
		}
		kept = append(kept, m)
	}
	p.moves = kept
	slices.SortFunc(p.calls, func(a, b call) int { return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.back, b.back)) })
	p.calls = slices.Compact(p.calls)
}

// key is equal for places that are alike. Those that count are like no other.
func (p *place) key(self int32) string {
	b := []byte{0}
	if p.ends {
		b[0] = 1
	}
	if p.counts {
		b = binary.LittleEndian.AppendUint32([]byte{2}, uint32(self))
	}
	for _, m := range p.moves {
		b = binary.LittleEndian.AppendUint32(append(b, 1), uint32(m.to))
		for _, w := range m.set {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
	}
	for _, c := range p.calls {
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(append(b, 2), uint32(c.rule)), uint32(c.back))
	}
	return string(b)
}

// renumber replaces the numbers of places wherever they are named.
func (n *net) renumber(to func(int32) int32) {
	for i := range n.places {
		p := &n.places[i]
		for j := range p.moves {
			p.moves[j].to = to(p.moves[j].to)
		}
		for j := range p.calls {
			p.calls[j].back = to(p.calls[j].back)
		}
	}
	for i := range n.rules {
		n.rules[i].start = to(n.rules[i].start)
	}
}

// trim leaves places out that nothing leads to.
func (n *net) trim() {
	number := make([]int32, len(n.places)) // 0: not found
	var found []int32
	find := func(p int32) {
		if number[p] == 0 {
			found = append(found, p)
			number[p] = int32(len(found))
		}
	}
	for _, r := range n.rules {
		find(r.start)
	}
	for i := 0; i < len(found); i++ {
		p := &n.places[found[i]]
		for _, m := range p.moves {
			find(m.to)
		}
		for _, c := range p.calls {
			find(c.back)
		}
	}
	places := make([]place, len(found))
	for i, p := range found {
		places[i] = n.places[p]
	}
	n.places = places
	n.renumber(func(p int32) int32 { return number[p] - 1 })
	for i := range n.places {
		p := &n.places[i]
		p.tidy()
		p.repeats = p.counts || slices.ContainsFunc(p.moves, func(m move) bool { return m.to == int32(i) }) ||
			slices.ContainsFunc(p.calls, func(c call) bool { return c.back == int32(i) })
	}
}

// order numbers the rules so that every one comes before those that it may begin with, of which there is no circle.
func (n *net) order() {
	var last []int32 // the last first
	seen := make([]bool, len(n.rules))
	var visit func(r int32)
	visit = func(r int32) {
		if seen[r] {
			return
		}
		seen[r] = true
		for _, c := range n.places[n.rules[r].start].calls {
			visit(c.rule)
		}
		last = append(last, r)
	}
	for r := len(n.rules) - 1; r >= 0; r-- {
		visit(int32(r))
	}
	number := make([]int32, len(n.rules))
	rules := make([]rule, len(n.rules))
	for i, r := range last {
		number[r] = int32(len(last) - 1 - i)
		rules[number[r]] = n.rules[r]
	}
	n.rules, n.root = rules, number[0]
	for i := range n.places {
		p := &n.places[i]
		for j := range p.calls {
			p.calls[j].rule = number[p.calls[j].rule]
		}
	}
}

// classify sorts the bytes into classes, and makes the moves' sets those of classes.
func (n *net) classify() {
	sets := map[classSet]classSet{}
	n.count = 1
	for i := range n.places {
		for _, m := range n.places[i].moves {
			if _, known := sets[m.set]; known {
				continue
			}
			sets[m.set] = classSet{}
			var twin [256]int // of a class, the one for those of it that are in the set, plus 1
			var outside [256]bool
			for c := range 256 {
				if !m.set.has(uint8(c)) {
					outside[n.classes[c]] = true
				}
			}
			for c := range 256 {
				class := n.classes[c]
				if !m.set.has(uint8(c)) || !outside[class] {
					continue
				}
				if twin[class] == 0 {
					n.count++
					twin[class] = n.count
				}
				n.classes[c] = uint8(twin[class] - 1)
			}
		}
	}
	n.of = make([]uint8, n.count)
	for c := 255; c >= 0; c-- {
		n.of[n.classes[c]] = uint8(c)
	}
	for set := range sets {
		var classes classSet
		for class, c := range n.of {
			if set.has(c) {
				classes.add(uint8(class))
			}
		}
		sets[set] = classes
	}
	for i := range n.places {
		p := &n.places[i]
		for j := range p.moves {
			p.moves[j].set = sets[p.moves[j].set]
		}
	}
}

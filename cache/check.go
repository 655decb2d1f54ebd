package cache

import "fmt"

// Check verifies the books against tables, which must be every table of this pool that may hold a block: each
// block's reference count is the number of tables that hold it, no table holds a block twice, each table has exactly
// the blocks its tokens need, each remembered block is full and findable, comes after
// its parent in every table and is forgotten before it, and each unheld block is exactly once on the free list or, if
// it is remembered, on the list of those that rest. It returns the first contradiction it finds; a block that only a
// table missing from tables holds is such a contradiction (a leak).
func (b *Blocks) Check(tables ...*Table) error {
	held := make([]int32, len(b.refs))
	last := make([]int, len(b.refs)) // 1 + index of the last table seen to hold the block
	seen := make(map[*Table]int, len(tables))
	for i, t := range tables {
		if j, ok := seen[t]; ok {
			return fmt.Errorf("cache: table %d is table %d once more", i, j)
		}
		seen[t] = i
		if t.pool != b {
			return fmt.Errorf("cache: table %d belongs to another pool", i)
		}
		if want := b.Need(t.tokens); len(t.ids) != want {
			return fmt.Errorf("cache: table %d holds %d blocks for %d tokens, want %d", i, len(t.ids), t.tokens, want)
		}
		for _, id := range t.ids {
			if id < 0 || int(id) >= len(b.refs) {
				return fmt.Errorf("cache: table %d holds block %d of a pool of %d", i, id, len(b.refs))
			}
			if last[id] == i+1 {
				return fmt.Errorf("cache: table %d holds block %d twice", i, id)
			}
			last[id] = i + 1
			held[id]++
		}
	}
	for id, n := range held {
		if b.refs[id] != n {
			return fmt.Errorf("cache: block %d has %d references, but %d tables hold it", id, b.refs[id], n)
		}
	}
	free := make([]bool, len(b.refs))
	for _, id := range b.free {
		switch {
		case id < 0 || int(id) >= len(b.refs):
			return fmt.Errorf("cache: free list names block %d of a pool of %d", id, len(b.refs))
		case free[id]:
			return fmt.Errorf("cache: free list names block %d twice", id)
		case held[id] != 0:
			return fmt.Errorf("cache: block %d is on the free list, but %d tables hold it", id, held[id])
		case b.known.has(id):
			return fmt.Errorf("cache: block %d is on the free list, but remembered", id)
		}
		free[id] = true
	}
	if err := b.checkResting(held); err != nil {
		return err
	}
	for id, n := range held {
		if n == 0 && !free[id] && !b.known.blocks[id].resting {
			return fmt.Errorf("cache: block %d is lost: no table holds it and the free list does not name it", id)
		}
	}
	if err := b.checkKnown(); err != nil {
		return err
	}
	for i, t := range tables {
		if err := t.check(); err != nil {
			return fmt.Errorf("cache: table %d: %w", i, err)
		}
	}
	return nil
}

// checkResting verifies the list of blocks that rest: its links, that it has exactly the blocks that are remembered
// and not held, and that none comes after its parent.
func (b *Blocks) checkResting(held []int32) error {
	p := &b.known
	n, before := 0, none
	passed := make([]bool, len(p.blocks))
	for id := p.first; id != none; id = p.blocks[id].newer {
		x := &p.blocks[id]
		switch {
		case n == p.idle:
			return fmt.Errorf("cache: more than %d blocks rest", p.idle)
		case x.older != before || !x.resting:
			return fmt.Errorf("cache: block %d rests after block %d, and is linked to %d", id, before, x.older)
		case held[id] != 0 || !x.known:
			return fmt.Errorf("cache: block %d rests, but %d tables hold it, remembered %v", id, held[id], x.known)
		case x.parent != none && passed[x.parent]:
			return fmt.Errorf("cache: block %d would be forgotten after its parent %d", id, x.parent)
		}
		passed[id] = true
		before = id
		n++
	}
	if n != p.idle || p.last != before {
		return fmt.Errorf("cache: %d blocks rest, the last is %d; want %d and %d", n, before, p.idle, p.last)
	}
	for id := range p.blocks {
		if x := &p.blocks[id]; x.resting != passed[id] || x.known && held[id] == 0 && !passed[id] {
			return fmt.Errorf("cache: block %d is remembered, no table holds it, and it does not rest", id)
		}
	}
	return nil
}

// checkKnown verifies that each remembered block is full, has a remembered parent that is held if it is, and is what
// its hash, parent and tokens find.
func (b *Blocks) checkKnown() error {
	known := 0
	for i := range b.known.blocks {
		id, x := int32(i), &b.known.blocks[i]
		if !x.known {
			continue
		}
		known++
		if len(x.tokens) != b.size {
			return fmt.Errorf("cache: block %d is remembered with %d tokens of %d", id, len(x.tokens), b.size)
		}
		if x.parent != none && (!b.known.has(x.parent) || b.refs[x.parent] < b.refs[id]) {
			return fmt.Errorf("cache: block %d has %d references; its parent %d is remembered %v and has %d",
				id, b.refs[id], x.parent, b.known.has(x.parent), b.refs[x.parent])
		}
		if found, hash := b.known.find(x.parent, x.tokens); found != id || hash != x.hash {
			return fmt.Errorf("cache: block %d is remembered, but block %d is found", id, found)
		}
	}
	listed := 0
	for hash, id := range b.known.index {
		for ; id != none; id = b.known.blocks[id].twin {
			if listed++; listed > known || !b.known.has(id) || b.known.blocks[id].hash != hash {
				return fmt.Errorf("cache: the index has block %d of another hash, or too many", id)
			}
		}
	}
	if listed != known {
		return fmt.Errorf("cache: %d blocks are remembered, the index has %d", known, listed)
	}
	return nil
}

// check verifies that the table's sealed blocks are remembered, each remembered one after its parent, and that a copy
// not yet taken goes to a last block of its own.
func (t *Table) check() error {
	b, parent := t.pool, none
	for i, id := range t.ids {
		x := &b.known.blocks[id]
		if !x.known && i < t.sealed {
			return fmt.Errorf("%d blocks are sealed, but block %d, its number %d, is not remembered", t.sealed, id, i)
		}
		if x.known && x.parent != parent {
			return fmt.Errorf("block %d follows block %d, but its parent is %d", id, parent, x.parent)
		}
		parent = id
	}
	if t.sealed*b.size > t.tokens {
		return fmt.Errorf("%d blocks are sealed for %d tokens", t.sealed, t.tokens)
	}
	if c := t.copy; c != nil {
		if len(t.ids) == 0 || !t.owns(c.To) || b.refs[c.To] != 1 || c.From == c.To || b.refs[c.From] < 1 {
			return fmt.Errorf("copy of block %d (%d references) to %d (%d references)", c.From, b.refs[c.From], c.To, b.refs[c.To])
		}
	}
	return nil
}

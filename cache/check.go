package cache

import "fmt"

// Check verifies the books against tables, which must be every table of this pool that may hold a block: each
// block's reference count is the number of tables that hold it, no table holds a block twice, each table has exactly
// the blocks its tokens need and no window has passed, each remembered block is full and findable, comes, where there is no window, after
// its parent in every table and is forgotten before it, and each unheld block is exactly once on the free list or, if
// it is remembered, on the list of those that rest. It returns the first contradiction it finds; a block that only a
// table missing from tables holds is such a contradiction (a leak).
func (b *Blocks) Check(tables ...*Table) error {
	held := make([]int32, len(b.refs)) // how many tables hold the block, or its mate in the first lane
	last := make([]int, len(b.refs))   // 1 + index of the last table seen to hold the block
	seen := make(map[*Table]int, len(tables))
	for i, t := range tables {
		if j, ok := seen[t]; ok {
			return fmt.Errorf("cache: table %d is table %d once more", i, j)
		}
		seen[t] = i
		if t.pool != b {
			return fmt.Errorf("cache: table %d belongs to another pool", i)
		}
		if err := t.checkLength(); err != nil {
			return fmt.Errorf("cache: table %d %w", i, err)
		}
		for g := range b.groups {
			if err := t.checkLanes(g); err != nil {
				return fmt.Errorf("cache: table %d %w", i, err)
			}
			for _, id := range t.heads(g) {
				held[id]++
			}
		}
		for _, ids := range t.lanes {
			for _, id := range ids {
				if last[id] == i+1 {
					return fmt.Errorf("cache: table %d holds block %d twice", i, id)
				}
				last[id] = i + 1
			}
		}
	}
	used := make([]int, len(b.groups))
	for id, n := range held {
		if b.refs[id] != n {
			return fmt.Errorf("cache: block %d has %d references, but %d tables hold it", id, b.refs[id], n)
		}
		if n > 0 {
			used[b.known.blocks[id].group] += b.lanesOf(int32(id))
		}
	}
	for g, n := range used {
		if b.used[g] != n {
			return fmt.Errorf("cache: %d blocks of group %d are held, counted are %d", n, g, b.used[g])
		}
	}
	if err := b.checkFree(held); err != nil {
		return err
	}
	if err := b.checkKnown(tables); err != nil {
		return err
	}
	for i, t := range tables {
		if err := t.check(); err != nil {
			return fmt.Errorf("cache: table %d: %w", i, err)
		}
	}
	return nil
}

// checkFree verifies that each block is exactly one of: on the free list, held or resting, or the mate of one that is.
func (b *Blocks) checkFree(held []int32) error {
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
	mate := make([]bool, len(b.refs))
	for id, mates := range b.mates {
		for _, m := range mates {
			if free[m] || mate[m] || held[m] != 0 || b.known.has(m) || held[id] == 0 && !b.known.blocks[id].resting {
				return fmt.Errorf("cache: block %d is a mate of block %d, and something else", m, id)
			}
			mate[m] = true
		}
	}
	for id, n := range held {
		if n == 0 && !free[id] && !mate[id] && !b.known.blocks[id].resting {
			return fmt.Errorf("cache: block %d is lost: no table holds it and the free list does not name it", id)
		}
	}
	return nil
}

// checkResting verifies the list of blocks that rest: its links, that it has exactly the blocks that are remembered
// and not held, and that none comes after its parent where there is no window.
func (b *Blocks) checkResting(held []int32) error {
	p := &b.known
	n, before := 0, none
	passed := make([]bool, len(p.blocks))
	for id := p.first; id != none; id = p.blocks[id].newer {
		x := &p.blocks[id]
		switch {
		case n >= p.idle:
			return fmt.Errorf("cache: more than %d blocks rest", p.idle)
		case x.older != before || !x.resting:
			return fmt.Errorf("cache: block %d rests after block %d, and is linked to %d", id, before, x.older)
		case held[id] != 0 || !p.has(id):
			return fmt.Errorf("cache: block %d rests, but %d tables hold it, remembered %v", id, held[id], p.has(id))
		}
		if parent := p.nodes[x.node].parent; parent != none && b.groups[x.group].Window == 0 {
			if above := p.block(parent, int(x.group)); above == none || passed[above] {
				return fmt.Errorf("cache: block %d would be forgotten after its parent %d", id, above)
			}
		}
		passed[id] = true
		before = id
		n += b.lanesOf(id)
	}
	if n != p.idle || p.last != before {
		return fmt.Errorf("cache: %d blocks rest, the last is %d; want %d and %d", n, before, p.idle, p.last)
	}
	for id := range p.blocks {
		if x := &p.blocks[id]; x.resting != passed[id] || p.has(int32(id)) && held[id] == 0 && !passed[id] {
			return fmt.Errorf("cache: block %d is remembered, no table holds it, and it does not rest", id)
		}
	}
	return nil
}

// checkKnown verifies that each node is full, is what its hash, parent and tokens find, and is there for something, and that each
// remembered block is its node's, and where there is no window has a remembered parent that is held if it is.
func (b *Blocks) checkKnown(tables []*Table) error {
	p := &b.known
	want := make([]node, len(p.nodes)) // only the counts
	for _, t := range tables {
		if t.node != none {
			want[t.node].tables++
		}
	}
	for i := range p.blocks {
		id, x := int32(i), &p.blocks[i]
		if x.node == none {
			continue
		}
		want[x.node].blocks++
		if p.block(x.node, int(x.group)) != id {
			return fmt.Errorf("cache: block %d is remembered, but block %d is found", id, p.block(x.node, int(x.group)))
		}
		parent := p.nodes[x.node].parent
		if parent == none || b.groups[x.group].Window > 0 {
			continue
		}
		if above := p.block(parent, int(x.group)); above == none || b.refs[above] < b.refs[id] {
			return fmt.Errorf("cache: block %d has %d references, more than its parent, block %d", id, b.refs[id], above)
		}
	}
	live := len(p.nodes) - len(p.unused)
	listed := make([]bool, len(p.nodes))
	for hash, n := range p.index {
		for ; n != none; n = p.nodes[n].twin {
			if live--; live < 0 || listed[n] || p.nodes[n].hash != hash {
				return fmt.Errorf("cache: the index has text %d of another hash, or too many", n)
			}
			listed[n] = true
		}
	}
	if live != 0 {
		return fmt.Errorf("cache: %d texts are not in the index", live)
	}
	for i := range p.nodes {
		if listed[i] && p.nodes[i].parent != none {
			want[p.nodes[i].parent].children++
		}
	}
	for i := range p.nodes {
		x, n := &p.nodes[i], int32(i)
		if !listed[i] {
			continue
		}
		if len(x.tokens) != b.size {
			return fmt.Errorf("cache: text %d has %d tokens of %d", n, len(x.tokens), b.size)
		}
		if found, hash := p.find(x.parent, x.tokens); found != n || hash != x.hash {
			return fmt.Errorf("cache: text %d is remembered, but text %d is found", n, found)
		}
		if w := want[i]; x.blocks != w.blocks || x.children != w.children || x.tables != w.tables || x.blocks+x.children+x.tables == 0 {
			return fmt.Errorf("cache: text %d counts %d blocks, %d texts after it and %d tables, not %d, %d and %d",
				n, x.blocks, x.children, x.tables, w.blocks, w.children, w.tables)
		}
	}
	return nil
}

// checkLength verifies that the table has the blocks its tokens need, but for those that windows have passed.
func (t *Table) checkLength() error {
	for g := range t.pool.groups {
		n := t.tokens
		if t.pool.groups[g].Window > 0 {
			n = t.reach
		} else if t.passed(g) != 0 {
			return fmt.Errorf("has given back %d blocks of a group without a window", t.passed(g))
		}
		if got, want := len(t.heads(g)), t.pool.span(n)-t.passed(g); got != want || t.passed(g) > 0 && t.passed(g) > t.pool.hidden(g, n) {
			return fmt.Errorf("holds %d blocks for %d tokens, want %d", got, n, want)
		}
	}
	if t.reach > t.tokens || t.reach < 0 || t.past == nil && t.reach != t.tokens {
		return fmt.Errorf("has reserved %d tokens, and %d where there is a window", t.tokens, t.reach)
	}
	return nil
}

// checkLanes verifies that a group's lanes are as long as the first, and that their blocks are mates.
func (t *Table) checkLanes(group int) error {
	at := t.pool.base[group]
	for i, id := range t.lanes[at] {
		if id < 0 || int(id) >= len(t.pool.refs) {
			return fmt.Errorf("holds block %d of a pool of %d", id, len(t.pool.refs))
		}
		for l := 1; l < t.pool.groups[group].Lanes; l++ {
			if len(t.lanes[at+l]) != len(t.lanes[at]) || t.pool.lanesOf(id) != t.pool.groups[group].Lanes || t.lanes[at+l][i] != t.pool.mates[id][l-1] {
				return fmt.Errorf("holds block %d, but not its mate in lane %d", id, l)
			}
		}
	}
	return nil
}

// check verifies that the table's sealed blocks are remembered, each remembered one for the text it belongs to, and that copies
// not yet taken go to last blocks of its own.
func (t *Table) check() error {
	b, p := t.pool, &t.pool.known
	if t.sealed*b.size > t.tokens || (t.sealed == 0) != (t.node == none) {
		return fmt.Errorf("%d blocks are sealed for %d tokens", t.sealed, t.tokens)
	}
	n := t.node
	for i := t.sealed - 1; i >= 0; i-- {
		if n == none {
			return fmt.Errorf("%d blocks are sealed, of a text of %d", t.sealed, t.sealed-1-i)
		}
		for g := range b.groups {
			at, ids := i-t.passed(g), t.heads(g)
			if at >= 0 && at < len(ids) && p.block(n, g) != ids[at] {
				return fmt.Errorf("%d blocks are sealed, but block %d, its number %d, is not remembered for its text", t.sealed, ids[at], i)
			}
		}
		n = p.nodes[n].parent
	}
	for g, group := range b.groups {
		for i, id := range t.heads(g) {
			if !p.has(id) || i == 0 || group.Window > 0 && !p.has(t.heads(g)[i-1]) {
				continue
			}
			if p.nodes[p.blocks[id].node].parent != p.blocks[t.heads(g)[i-1]].node {
				return fmt.Errorf("block %d follows block %d, but not in its text", id, t.heads(g)[i-1])
			}
		}
	}
	for _, c := range t.copies {
		if !t.endsWith(c.To) || c.From == c.To {
			return fmt.Errorf("copy of block %d to %d, which is not the last of its own", c.From, c.To)
		}
	}
	return nil
}

// endsWith reports whether a block is the last of a lane, and nobody else's.
func (t *Table) endsWith(id int32) bool {
	for l, ids := range t.lanes {
		if n := len(ids); n > 0 && ids[n-1] == id {
			return t.pool.refs[t.heads(t.pool.groupOf(l))[n-1]] == 1
		}
	}
	return false
}

package cache

// Cell says who has a block at a moment.
type Cell struct {
	// Owner is the index of the first table that holds it, or one of Free, Remembered and Other.
	Owner int32
	// Holders is how many tables hold it.
	Holders int32
}

// Owners of a block that none of the tables asked about holds.
const (
	// Free: nobody holds it, and nothing is known of it.
	Free int32 = -1 - iota
	// Remembered: nobody holds it, and it can still be found. It counts as free.
	Remembered
	// Other: a table that was not asked about holds it.
	Other
)

// Map returns what each block is like, by id. It takes time in proportion to the pool and the tables, and changes nothing.
func (b *Blocks) Map(tables ...*Table) []Cell {
	cells := make([]Cell, len(b.refs))
	for id := range cells {
		cells[id].Owner = Free
	}
	for id, n := range b.refs {
		c := Cell{Other, n}
		switch {
		case n > 0:
		case b.known.has(int32(id)):
			c.Owner = Remembered
		default:
			continue
		}
		cells[id] = c
		if b.mates != nil {
			for _, mate := range b.mates[id] {
				cells[mate] = c
			}
		}
	}
	for i, t := range tables {
		for _, ids := range t.lanes {
			for _, id := range ids {
				if cells[id].Owner == Other {
					cells[id].Owner = int32(i)
				}
			}
		}
	}
	return cells
}

// Held returns how many blocks the table holds, in all lanes.
func (t *Table) Held() (blocks int) {
	for _, ids := range t.lanes {
		blocks += len(ids)
	}
	return blocks
}

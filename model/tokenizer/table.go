package tokenizer

import (
	"math/bits"
	"math/rand/v2"
)

// table maps numbers to numbers from 0 on. It is a hash table with linear probing, made for look-ups that mostly find nothing, as encoding's do. Its zero
// value is empty.
type table struct {
	slots []slot // a power of two
	n     int
}

type slot struct {
	key   uint64
	value int32 // and 1 more, so that 0 is free
}

// seed keeps files from choosing numbers that crowd a table in one place.
var seed = rand.Uint64()

// at returns the slot that has key, or the free one for it.
func (t *table) at(key uint64) *slot {
	high, low := bits.Mul64(key^seed, 0x9e3779b97f4a7c15) // 2^64 divided by the golden ratio
	for i := high ^ low; ; i++ {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		if s.key == key || s.value == 0 {
			return s
		}
	}
}

func (t *table) get(key uint64) (int32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	s := t.at(key)
	return s.value - 1, s.value != 0 && s.key == key
}

// add maps key, which has no value yet, to value.
func (t *table) add(key uint64, value int32) {
	if 2*t.n >= len(t.slots) {
		old := t.slots
		t.slots = make([]slot, max(16, 2*len(old)))
		for _, s := range old {
			if s.value != 0 {
				*t.at(s.key) = s
			}
		}
	}
	t.n++
	*t.at(key) = slot{key, value + 1}
}

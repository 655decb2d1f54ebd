package sample

import (
	"math"
	"slices"
)

// key is a candidate in one word, made so that ascending keys are descending logits, equal ones by ascending id: the
// high half is the logit's bits, made monotonic and inverted, the low half the id.
type key uint64

// makeKey packs a candidate. NaN must have been refused; both zeros make the same key.
func makeKey(logit float32, id int32) key {
	b := math.Float32bits(logit)
	if logit == 0 {
		b = 0
	}
	return key(fold(b))<<32 | key(uint32(id))
}

func (k key) id() int32 { return int32(uint32(k)) }

func (k key) logit() float64 { return float64(math.Float32frombits(fold(uint32(k >> 32)))) }

// fold maps the bits of positive floats to below those of all negative ones, larger first; a negative float's bits
// already grow as it falls. It is its own inverse.
func fold(b uint32) uint32 {
	if b>>31 == 0 {
		return ^b & (1<<31 - 1)
	}
	return b
}

// work is what one Sample is at, and the space for it. It is lent from a sync.Pool: a sampler per sequence would otherwise keep
// some 36 bytes per vocabulary entry each.
type work struct {
	c           Candidates // what is left, until it is packed
	keys        []key      // what is left, once it is packed
	packed      bool
	sorted      bool    // keys are largest first
	owned       bool    // c's logits are a copy
	peak        float64 // the largest logit left
	temperature float64 // so far
	sum         float64 // of weights
	err         error   // nothing is left

	logits  []float32 // a copy of c's
	weights []float64
	spare   []key         // where the radix sort scatters to
	counts  []uint32      // by the top 16 bits of a key
	tokens  map[int32]int // those that penalties change
	z       []int
}

// sortSmall is the length from which keys are counted rather than compared. At 128,256 keys, packing included, that is
// 1.5 ms against 8.7 (AMD EPYC, go test -bench Sort); below some thousand, clearing the counts is most of the work.
const sortSmall = 1024

// sort returns the keys in ascending order, in work space. Equal logits must already be in id order, as pack leaves
// them, because only the high halves are sorted, stably: least significant digit first, 11 bits at a time.
func (w *work) sort(keys []key) []key {
	if len(keys) < sortSmall {
		slices.Sort(keys)
		return keys
	}
	const bits = 11
	if cap(w.spare) < len(keys) {
		w.spare = make([]key, len(keys))
	}
	from, to := keys, w.spare[:len(keys)]
	for shift := 32; shift < 64; shift += bits {
		var at [1 << bits]uint32
		for _, k := range from {
			at[k>>shift&(1<<bits-1)]++
		}
		sum := uint32(0)
		for d, n := range at {
			at[d], sum = sum, sum+n
		}
		for _, k := range from {
			d := k >> shift & (1<<bits - 1)
			to[at[d]] = k
			at[d]++
		}
		from, to = to, from
	}
	w.spare = to
	return from
}

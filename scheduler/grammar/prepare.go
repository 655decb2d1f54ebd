package grammar

import (
	"cmp"
	"maps"
	"slices"
)

const (
	// maxFits is how many runs are kept for a vocabulary; each takes some megabytes for 128k tokens. Compile prepares half as many at most.
	maxFits = 16
	// A run of fewer bytes than smallRun is not worth it, as few tokens are in it, nor is a node with fewer tokens than smallNode below, which is soon
	// walked through: with 48 in its stead, masks of code took as long in the middle, and the worst a quarter longer.
	smallRun, smallNode = 8, 500
	// A node with more than one in largeNode of all tokens below is prepared by Compile: 78 of them in a vocabulary of 128k tokens.
	largeNode = 256
	// maxTries is how many places Compile looks at for runs.
	maxTries = 1 << 10
)

// fitsKey is a run, as far as tokens depend on it.
type fitsKey struct {
	ascii [2]uint64
	runes bool
}

func (r *run) key() fitsKey { return fitsKey{r.ascii, r.runes} }

// runFits are a run's fits by node, as far as they have been wanted.
type runFits struct {
	nodes map[int32]*fits
	used  uint64 // when last
}

// prepared returns what fits into a run behind a node.
func (v *Vocabulary) prepared(r *run, node int32) *fits {
	if f := v.kept(r, node); f != nil {
		return f
	}
	f := v.fitting(r, node) // unlocked, as others are in haste; should two do the same, no harm is done
	v.mu.Lock()
	defer v.mu.Unlock()
	of := v.fits[r.key()]
	if of == nil {
		if len(v.fits) >= maxFits {
			delete(v.fits, slices.MinFunc(slices.Collect(maps.Keys(v.fits)), func(a, b fitsKey) int { return cmp.Compare(v.fits[a].used, v.fits[b].used) }))
		}
		of = &runFits{map[int32]*fits{}, v.uses}
		v.fits[r.key()] = of
	}
	of.nodes[node] = f
	return f
}

// kept returns what prepared has returned before, if that is still there.
func (v *Vocabulary) kept(r *run, node int32) *fits {
	v.mu.Lock()
	defer v.mu.Unlock()
	of := v.fits[r.key()]
	if of == nil {
		return nil
	}
	v.uses++
	of.used = v.uses
	return of.nodes[node]
}

// prepare has what fits into a net's runs ready, as far as that takes long.
func (w *walker) prepare() {
	known := map[fitsKey]bool{}
	tries := maxTries
	for i := range w.places {
		if tries == 0 || len(known) == maxFits/2 || w.err != nil {
			break
		}
		if !w.places[i].repeats {
			continue
		}
		tries--
		r := w.runOf(int32(i))
		if r.size() < smallRun || known[r.key()] || w.err != nil {
			continue
		}
		known[r.key()] = true
		for _, node := range w.vocabulary.large {
			w.vocabulary.prepared(&r, node)
		}
	}
	w.work, w.err = 0, nil
}

// Package ngram guesses how a text goes on from what followed its last tokens before: earlier in the same text (prompt lookup, as
// Saxena 2023 calls it) or in other texts. It knows nothing of models or sequences.
package ngram

import "slices"

// orders are the lengths of the runs of tokens that an Index finds again, longest first. Two tokens are the fewest that say
// more than chance; longer runs than the longest are found by their end.
var orders = [...]int{8, 5, 3, 2}

// longest is how far back Guess compares two places of a text.
const longest = 32

// Index finds where the last tokens of a growing text stood before. The zero value is empty. Each token costs the same few map
// operations, however long the text is.
type Index struct {
	last map[uint64]int32 // hash of a run -> where the latest such run ends
	n    int              // tokens indexed
	at   int              // where the latest run ends, before the text's own end, that is the text's last tokens; 0: nowhere
}

// Extend indexes those tokens of the text that are new; all others are as they were.
func (x *Index) Extend(text []int32) {
	if x.last == nil {
		x.last = make(map[uint64]int32, 2*len(text))
	}
	for ; x.n < len(text); x.n++ {
		end := x.n + 1
		x.at = 0
		for _, n := range orders {
			if n > end {
				continue
			}
			run := text[end-n : end]
			h := hash(run)
			if at := int(x.last[h]); at >= n && x.at == 0 && slices.Equal(text[at-n:at], run) {
				x.at = at
			}
			x.last[h] = int32(end)
		}
	}
}

// Guess returns up to most tokens that followed the text's last ones before, and how many of those agree there, from 2 to 32; 0
// if they never stood before. What runs into the text's end goes on from its own beginning, as a repetition does. The
// text must be the one indexed.
func (x *Index) Guess(text []int32, most int) (tokens []int32, agree int) {
	if x.at == 0 || x.n != len(text) {
		return nil, 0
	}
	for agree < min(longest, x.at) && text[x.at-1-agree] == text[len(text)-1-agree] {
		agree++
	}
	for i := range most {
		if at := x.at + i; at < len(text) {
			tokens = append(tokens, text[at])
		} else {
			tokens = append(tokens, tokens[at-len(text)])
		}
	}
	return tokens, agree
}

// hash is FNV-1a over 32 bits at a time, with the length first.
func hash(run []int32) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037) ^ uint64(len(run))
	for _, t := range run {
		h = (h ^ uint64(uint32(t))) * prime
		h ^= h >> 29
	}
	return h
}

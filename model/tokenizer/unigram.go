package tokenizer

import (
	"math"
	"slices"
	"unicode/utf8"
)

// unigram is SentencePiece's language model of single tokens: of all ways to cut a text into tokens, that of the highest sum of scores, by Viterbi's
// algorithm (Kudo 2018, "Subword Regularization"). A rune that is no token costs 10 more than the worst one.
type unigram struct {
	normalizer
	tokens trie
	scores []float64 // by token
	worst  float64   // what an unknown rune scores
	spelling
}

// path is the best way to a place in a text.
type path struct {
	score    float64
	from, to int   // where its last token begins; where the one after it ends, on the best way of all
	id       int32 // its last token, or none for an unknown rune
}

func newUnigram(t *Tokenizer, n normalizer, scores []float64, p spelling) *unigram {
	u := &unigram{normalizer: n, scores: slices.Clone(scores), worst: math.Inf(1), spelling: p}
	for id, kind := range t.kinds {
		switch kind {
		case KindNormal:
			u.worst = min(u.worst, scores[id])
		case KindUserDefined:
			u.scores[id] = 0
		default:
			continue
		}
		u.tokens.add(string(t.pieces[id]), int32(id))
	}
	u.worst = min(u.worst, math.MaxFloat32) - 10 // SentencePiece's kUnkPenalty
	return u
}

func (u *unigram) encode(ids []int32, text string, w *work) []int32 {
	text = u.normalize(text, w)
	w.paths = slices.Grow(w.paths[:0], len(text)+1)[:len(text)+1]
	for i := range w.paths {
		w.paths[i] = path{score: math.Inf(-1), id: none}
	}
	w.paths[0].score = 0
	for i := 0; i < len(text); {
		_, width := utf8.DecodeRuneInString(text[i:])
		here, known := w.paths[i].score, false
		for at, node := i, int32(0); at < len(text); {
			w.steps++
			if node = u.tokens.next(node, text[at]); node == 0 {
				break
			}
			at++
			id := u.tokens.ids[node]
			if id == none {
				continue
			}
			known = known || at == i+width
			if score := here + u.scores[id]; score > w.paths[at].score {
				w.paths[at] = path{score: score, from: i, id: id}
			}
		}
		if score := here + u.worst; !known && score > w.paths[i+width].score {
			w.paths[i+width] = path{score: score, from: i, id: none}
		}
		i += width
	}
	return u.follow(ids, text, w.paths)
}

// follow adds the tokens of the best path. Unknown runes that follow each other are one unknown token, unless they are spelled in bytes.
func (u *unigram) follow(ids []int32, text string, paths []path) []int32 {
	for at := len(text); at > 0; at = paths[at].from {
		paths[paths[at].from].to = at
	}
	for at := 0; at < len(text); {
		to := paths[at].to
		if id := paths[to].id; id != none {
			ids, at = append(ids, id), to
			continue
		}
		for to < len(text) && paths[paths[to].to].id == none {
			to = paths[to].to
		}
		ids, at = u.spell(ids, text[at:to]), to
	}
	return ids
}

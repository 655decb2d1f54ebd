package tokenizer

import (
	"fmt"
	"math"
)

// readBPE reads byte-pair encoding, in the byte alphabet or not.
func (t *Tokenizer) readBPE(src Source) error {
	p, err := pres["gemma4"], error(nil)
	if t.kind != "gemma4" {
		p, err = readPre(src)
	}
	if err != nil {
		return err
	}
	if err := t.read(src, p.plain, defaults{bos: p.addBOS, bosAlways: p.wholeBreaks}); err != nil {
		return err
	}
	b := &bpe{pre: p, mergeTable: mergeTable{size: int32(t.Size()), words: t.words, byBytes: !p.plain}}
	t.model = b
	spell := spellOut
	if p.plain {
		spell = spellPlain
		b.spelling, err = t.spelling(src)
	} else {
		b.spelling = spelling{unknown: none}
		for c := range b.bytes {
			b.bytes[c] = none
			if id, ok := t.words[string([]byte{byte(c)})]; ok {
				b.bytes[c] = id
			}
		}
	}
	if err != nil {
		return err
	}
	merges, ok := src.Strings("tokenizer.ggml.merges")
	switch {
	case ok:
		return b.readMerges(merges, spell)
	case !p.ranked:
		return fmt.Errorf("tokenizer: tokenizer.ggml.merges is missing")
	}
	ranks := make([]float64, t.Size())
	for id := range ranks {
		ranks[id] = -float64(id)
	}
	b.place(ranks)
	return nil
}

// readSPM reads SentencePiece's byte-pair encoding.
func (t *Tokenizer) readSPM(src Source) error {
	if err := t.read(src, true, defaults{bos: true}); err != nil {
		return err
	}
	scores, err := t.readScores(src)
	if err != nil {
		return err
	}
	m := mergeTable{size: int32(t.Size()), words: t.words}
	if m.spelling, err = t.spelling(src); err != nil {
		return err
	}
	m.place(scores)
	t.spacePrefix = readFlag(src, "tokenizer.ggml.add_space_prefix", true)
	t.model = newSPM(m, t.spacePrefix)
	return nil
}

// readUnigram reads SentencePiece's unigram model.
func (t *Tokenizer) readUnigram(src Source) error {
	if err := t.read(src, true, defaults{eos: true}); err != nil {
		return err
	}
	scores, err := t.readScores(src)
	if err != nil {
		return err
	}
	p, err := t.spelling(src)
	if err != nil {
		return err
	}
	t.spacePrefix = readFlag(src, "tokenizer.ggml.add_space_prefix", false)
	n := normalizer{spacePrefix: t.spacePrefix, mergeSpaces: readFlag(src, "tokenizer.ggml.remove_extra_whitespaces", false)}
	if values, ok := src.Ints("tokenizer.ggml.precompiled_charsmap"); ok {
		if n.chars, err = newCharsmap(values); err != nil {
			return err
		}
	}
	t.model = newUnigram(t, n, scores, p)
	return nil
}

// readWordPiece reads BERT's.
func (t *Tokenizer) readWordPiece(src Source) error {
	err := t.read(src, true, defaults{bosAlways: true, eosAlways: true,
		bosKeys: []string{"tokenizer.ggml.cls_token_id"}, eosKeys: []string{"tokenizer.ggml.seperator_token_id"}}) // GGUF's spelling
	if err != nil {
		return err
	}
	p, err := t.spelling(src)
	if err != nil {
		return err
	}
	w := &wordPiece{unknown: p.unknown, lower: readFlag(src, "tokenizer.ggml.normalizer.lowercase", true)}
	w.stripAccents = readFlag(src, "tokenizer.ggml.normalizer.strip_accents", w.lower)
	for word, id := range t.words {
		w.tokens.add(word, id)
	}
	t.spacePrefix = true
	t.model = w
	return nil
}

// readScores reads a score for each token.
func (t *Tokenizer) readScores(src Source) ([]float64, error) {
	scores, ok := src.Floats("tokenizer.ggml.scores")
	if !ok {
		var whole []int64
		if whole, ok = src.Ints("tokenizer.ggml.scores"); ok {
			for _, n := range whole {
				scores = append(scores, float64(n))
			}
		}
	}
	if !ok {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.scores is missing")
	}
	if len(scores) != t.Size() {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.scores has %d values for %d tokens", len(scores), t.Size())
	}
	for id, score := range scores {
		if math.IsNaN(score) {
			return nil, fmt.Errorf("tokenizer: tokenizer.ggml.scores has no number for token %d %q", id, t.texts[id])
		}
	}
	return scores, nil
}

func readFlag(src Source, key string, byDefault bool) bool {
	if flag, ok := src.Bool(key); ok {
		return flag
	}
	return byDefault
}

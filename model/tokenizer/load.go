package tokenizer

import (
	"fmt"
	"math"
)

// New reads a tokenizer's definition. Its errors name the key and the value that can't be used.
func New(src Source) (*Tokenizer, error) {
	model, ok := src.String("tokenizer.ggml.model")
	if !ok {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.model is missing")
	}
	if model != "gpt2" {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.model %q is not supported (gpt2)", model)
	}
	p, err := readPre(src)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{split: p.split, ignoreMerges: p.ignoreMerges, addBOS: p.addBOS}
	ids, err := t.readTokens(src)
	if err != nil {
		return nil, err
	}
	if err := t.readSpecials(src, ids); err != nil {
		return nil, err
	}
	t.index()
	merges, ok := src.Strings("tokenizer.ggml.merges")
	if !ok {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.merges is missing")
	}
	t.merges, err = newMergeTable(merges, t.words, t.Size())
	return t, err
}

// readTokens reads texts and kinds, and returns the ids by text.
func (t *Tokenizer) readTokens(src Source) (map[string]int32, error) {
	texts, ok := src.Strings("tokenizer.ggml.tokens")
	if !ok || len(texts) == 0 {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.tokens is missing or empty")
	}
	if len(texts) > math.MaxInt32/2 { // the rest is for the symbols of mergeTable
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.tokens has %d tokens, too many", len(texts))
	}
	types, ok := src.Ints("tokenizer.ggml.token_type")
	if ok && len(types) != len(texts) {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.token_type has %d values for %d tokens", len(types), len(texts))
	}
	t.texts = texts
	t.kinds = make([]Kind, len(texts))
	ids := make(map[string]int32, len(texts))
	for id, text := range texts {
		t.kinds[id] = KindNormal
		if types != nil {
			t.kinds[id] = kindOf(types[id])
		}
		if t.kinds[id] == kindByte {
			return nil, fmt.Errorf("tokenizer: token %d %q is of type 6 (byte), which gpt2 vocabularies don't have", id, text)
		}
		if text == "" {
			t.kinds[id] = KindUnused
			continue
		}
		if first, ok := ids[text]; ok {
			return nil, fmt.Errorf("tokenizer: token %q has two ids, %d and %d", text, first, id)
		}
		ids[text] = int32(id)
	}
	return ids, nil
}

func kindOf(value int64) Kind {
	if value < 0 || value > int64(kindByte) {
		return KindUndefined
	}
	return Kind(value)
}

// index makes what is looked up later: pieces, words and the tries. Kinds are final by now.
//
// Only normal tokens become words: text must not turn into structure, nor into tokens that decode to something else.
// llama.cpp looks up all tokens, but no vocabulary known has one that would make a difference.
func (t *Tokenizer) index() {
	t.pieces = make([][]byte, len(t.texts))
	t.words = make(map[string]int32, len(t.texts))
	for i, text := range t.texts {
		id := int32(i)
		switch t.kinds[id] {
		case KindNormal:
			bytes, ok := spellOut(text)
			if !ok { // added by hand without the byte alphabet: literal, and no text becomes it
				t.pieces[id] = []byte(text)
				continue
			}
			t.pieces[id] = bytes
			t.words[string(bytes)] = id
		case KindUserDefined:
			t.pieces[id] = []byte(text)
			t.user.add(text, id)
			t.marked.add(text, id)
		case KindControl, KindUnknown:
			t.pieces[id] = []byte(text)
			t.marked.add(text, id)
		}
	}
}

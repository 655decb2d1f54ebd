package tokenizer

import (
	"fmt"
	"math"
	"strings"
)

// models reads what is particular to each tokenizer.ggml.model. The tokens have been read.
var models = map[string]func(*Tokenizer, Source) error{
	"gpt2":   (*Tokenizer).readBPE,
	"gemma4": (*Tokenizer).readBPE,
	"llama":  (*Tokenizer).readSPM,
	"t5":     (*Tokenizer).readUnigram,
	"bert":   (*Tokenizer).readWordPiece,
}

// New reads a tokenizer's definition. Its errors name the key and the value that can't be used.
func New(src Source) (*Tokenizer, error) {
	name, ok := src.String("tokenizer.ggml.model")
	if !ok {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.model is missing")
	}
	read, ok := models[name]
	if !ok {
		return nil, fmt.Errorf("tokenizer: tokenizer.ggml.model %q is not supported (%s)", name, names(models))
	}
	t := &Tokenizer{kind: name}
	return t, read(t, src)
}

// read reads tokens and their parts, and what text adds to them by default. plain says that tokens are spelled in UTF-8, not in the byte alphabet.
func (t *Tokenizer) read(src Source, plain bool, by defaults) error {
	ids, err := t.readTokens(src, plain)
	if err != nil {
		return err
	}
	if err := t.readSpecials(src, ids, by); err != nil {
		return err
	}
	t.index(plain)
	t.readStrips(src)
	return nil
}

// readTokens reads texts and kinds, and returns the ids by text.
func (t *Tokenizer) readTokens(src Source, plain bool) (map[string]int32, error) {
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
		if t.kinds[id] == KindByte {
			if _, ok := byteOf(text); !plain {
				return nil, fmt.Errorf("tokenizer: token %d %q is of type 6 (byte), which vocabularies in the byte alphabet don't have", id, text)
			} else if !ok {
				return nil, fmt.Errorf("tokenizer: token %d %q is of type 6 (byte), but spells none", id, text)
			}
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
	if value < 0 || value > int64(KindByte) {
		return KindUndefined
	}
	return Kind(value)
}

// byteOf reads <0x0A>.
func byteOf(text string) (b byte, ok bool) {
	n, err := fmt.Sscanf(text, "<0x%02X>", &b)
	return b, n == 1 && err == nil && len(text) == len("<0x0A>")
}

// index makes what is looked up later: pieces, words and the tries. Kinds are final by now.
//
// Only normal tokens become words: text must not turn into structure, nor into tokens that decode to something else.
// llama.cpp looks up all tokens, but no vocabulary known has one that would make a difference.
func (t *Tokenizer) index(plain bool) {
	t.pieces = make([][]byte, len(t.texts))
	t.words = make(map[string]int32, len(t.texts))
	spell := spellOut
	if plain {
		spell = spellPlain
	}
	for i, text := range t.texts {
		id := int32(i)
		switch t.kinds[id] {
		case KindNormal:
			piece, ok := spell(text)
			if !ok { // added by hand as it is: literal, and no text becomes it
				t.pieces[id] = []byte(text)
				continue
			}
			t.pieces[id] = []byte(piece)
			t.words[piece] = id
		case KindByte:
			b, _ := byteOf(text)
			t.pieces[id] = []byte{b}
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

// spellPlain returns what text, a token with ▁ for spaces, stands for. It reports false if it has spaces as well.
func spellPlain(text string) (string, bool) {
	return unescapeSpaces(text), !strings.Contains(text, " ")
}

// spelling is how bytes are spelled: by the tokens for single bytes, and by that for what is unknown.
func (t *Tokenizer) spelling(src Source) (spelling, error) {
	p := spelling{unknown: none}
	for b := range p.bytes {
		p.bytes[b] = none
	}
	for id, kind := range t.kinds {
		switch {
		case kind == KindByte:
			p.bytes[t.pieces[id][0]] = int32(id)
		case kind == KindUnknown && p.unknown == none:
			p.unknown = int32(id)
		}
	}
	id, err := t.readID(src, "tokenizer.ggml.unknown_token_id")
	if id != none {
		p.unknown = id
	}
	return p, err
}

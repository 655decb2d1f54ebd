// Package tokenizer turns text into token ids and back, for the byte-level BPE tokenizers that GGUF files carry
// (tokenizer.ggml.model "gpt2").
//
// It does no I/O: a definition is read once from a [Source]. A [Tokenizer] never changes afterwards and may be used
// by many goroutines at once. Where a choice had to be made it is llama.cpp's, so that a file gives the same ids here
// as there; the exceptions are stated where they are made.
//
// Encoding takes O(n log n) time in the length of the text, whatever the text is.
package tokenizer

// Source is where a tokenizer's definition is read from: the metadata of a GGUF file.
// Each method reports false if the key is absent or holds another type. Slices are kept, not copied.
type Source interface {
	String(key string) (string, bool)
	Uint(key string) (uint64, bool)
	Bool(key string) (bool, bool)
	Strings(key string) ([]string, bool)
	Ints(key string) ([]int64, bool)
	Floats(key string) ([]float64, bool)
}

// Kind says what a token is for. The values are those of GGUF's tokenizer.ggml.token_type.
type Kind uint8

// The kinds of token.
const (
	KindUndefined   Kind = 0 // not a token, or of a type this package doesn't know; never produced, decodes to nothing
	KindNormal      Kind = 1 // a piece of text, spelled in the byte alphabet
	KindUnknown     Kind = 2 // stands for what the vocabulary can't spell; treated as control
	KindControl     Kind = 3 // structure, not text: BOS, EOS, turn marks; found in text only if asked for
	KindUserDefined Kind = 4 // literal text, always found in text before everything else
	KindUnused      Kind = 5 // padding of the vocabulary; never produced, decodes to nothing
	kindByte        Kind = 6 // <0x0A>; of SentencePiece vocabularies only, refused by New
)

// special reports whether tokens of kind k are structure rather than text.
func (k Kind) special() bool { return k == KindControl || k == KindUnknown }

// none stands for "no token" wherever an id is expected.
const none int32 = -1

// Tokenizer is one vocabulary with its rules. Make one with [New].
type Tokenizer struct {
	texts  []string         // by id: as the file spells them
	kinds  []Kind           // by id
	pieces [][]byte         // by id: the bytes the token stands for; a special token's text
	words  map[string]int32 // bytes of a token that text may become without being special → its id

	split        func(text string) int // bytes of the first pre-token of a non-empty text
	ignoreMerges bool                  // a pre-token that is a token is taken whole, whatever the merges say
	merges       mergeTable
	user, marked trie // user-defined tokens; these and the special ones

	bos, eos       int32 // or none
	addBOS, addEOS bool
	eog            map[int32]bool
	roles          map[string]int32 // by the key that names it: the token, or none
}

// Size returns the number of tokens; ids are 0 to Size()-1.
func (t *Tokenizer) Size() int { return len(t.texts) }

// BOS returns the token that begins a text, and false if the vocabulary has none.
func (t *Tokenizer) BOS() (int32, bool) { return t.bos, t.bos != none }

// EOS returns the token that ends a text, and false if the vocabulary has none.
// Models may end generation with other tokens too; see [Tokenizer.EOG].
func (t *Tokenizer) EOS() (int32, bool) { return t.eos, t.eos != none }

// FIM returns the tokens by which a prompt has the model fill in the middle: before the beginning, before the end, and before the middle,
// which the model then writes. It returns false if the vocabulary has not all three.
func (t *Tokenizer) FIM() (prefix, suffix, middle int32, ok bool) {
	role := func(name string) int32 { return t.roles["tokenizer.ggml.fim_"+name+"_token_id"] }
	prefix, suffix, middle = role("pre"), role("suf"), role("mid")
	return prefix, suffix, middle, prefix != none && suffix != none && middle != none
}

// EOG reports whether id ends generation: the end of the text, of a turn or of a message.
func (t *Tokenizer) EOG(id int32) bool { return t.eog[id] }

// Kind returns what id is for, and KindUndefined if it is not a token.
func (t *Tokenizer) Kind(id int32) Kind {
	if !t.has(id) {
		return KindUndefined
	}
	return t.kinds[id]
}

// Text returns id as the vocabulary spells it: a normal token in the byte alphabet ("Ġthe" for " the"), a special or
// user-defined one literally. It returns "" if id is not a token.
func (t *Tokenizer) Text(id int32) string {
	if !t.has(id) {
		return ""
	}
	return t.texts[id]
}

func (t *Tokenizer) has(id int32) bool { return id >= 0 && int(id) < len(t.texts) }

package hf

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"umbra/model/gguf"
)

// Token types of GGUF (enum llama_token_type).
const (
	typeNormal  = 1
	typeUnknown = 2
	typeControl = 3
	typeUser    = 4
	typeUnused  = 5
	typeByte    = 6
)

// words is a vocabulary on its way into GGUF's keys.
type words struct {
	*model
	file   object // tokenizer.json
	inner  object // its model
	config object // tokenizer_config.json

	tokens []string
	kinds  []int32
	scores []float32
	ids    map[string]int
	all    []gguf.KV
}

func (w *words) set(key string, v any) { w.all = append(w.all, gguf.KV{Key: key, Value: v}) }

// tokenizer returns the keys of the tokenizer and the chat template. The vocabulary has as many tokens as there are embeddings; those without a text
// are called [PAD7], and never used.
func (f *folder) tokenizer(m *model) ([]gguf.KV, error) {
	if f.words == nil {
		return nil, fmt.Errorf("hf: there is no tokenizer.json, the only form of tokenizer that is read from folders; download it, or convert the model to GGUF with its tokenizer.model")
	}
	first := m.config.first
	w := &words{model: m, file: parse("tokenizer.json", f.words, first), ids: map[string]int{}, config: parse("tokenizer_config.json", f.wordsConfig, first)}
	f.words = nil // no longer of use, and large
	w.inner, _ = w.file.object("model")
	embed := m.tensor("token_embd.weight")
	if embed == nil || len(embed.Dims) != 2 || embed.Dims[1] > 1<<24 {
		return nil, fmt.Errorf("hf: there are no embeddings, or they are no matrix of at most %d rows", 1<<24)
	}
	w.pad(int(embed.Dims[1]))
	switch kind := w.inner.text("BPE", "type"); {
	case *first != nil:
	case kind == "BPE" && w.inner.boolean(false, "byte_fallback"):
		w.sentencePieces()
	case kind == "BPE":
		w.bytePairs()
	case kind == "Unigram":
		w.unigram()
	case kind == "WordPiece":
		w.wordPieces()
	default:
		w.inner.fail("type %q is not supported (BPE, Unigram, WordPiece)", kind)
	}
	if *first != nil {
		return nil, *first
	}
	w.set("tokenizer.ggml.tokens", w.tokens)
	w.set("tokenizer.ggml.token_type", w.kinds)
	if w.scores != nil {
		w.set("tokenizer.ggml.scores", w.scores)
	}
	w.special()
	w.template()
	return w.all, *first
}

// pad makes n unused tokens.
func (w *words) pad(n int) {
	w.tokens, w.kinds = make([]string, n), make([]int32, n)
	for i := range w.tokens {
		w.kinds[i] = typeUnused
	}
}

// vocabulary reads texts with their ids, and the added tokens.
func (w *words) vocabulary() {
	vocab, _ := w.inner.object("vocab")
	for text, v := range vocab.values {
		id, ok := wholeOf(v)
		if !ok || id < 0 || id >= len(w.tokens) {
			vocab.fail("token %q has the id %s, want one of the %d embeddings", text, show(v), len(w.tokens))
			return
		}
		if w.kinds[id] != typeUnused {
			vocab.fail("tokens %q and %q have the same id %d", min(text, w.tokens[id]), max(text, w.tokens[id]), id)
			return
		}
		w.tokens[id], w.kinds[id], w.ids[text] = text, typeNormal, id
	}
	w.added()
}

// added reads the added tokens, and names those that are left.
func (w *words) added() {
	for _, v := range w.file.list("added_tokens") {
		values, _ := v.(map[string]any)
		t := object{"tokenizer.json: added_tokens", values, w.file.first}
		id := t.whole(-1, 0, len(w.tokens)-1, "id")
		text := t.text("", "content")
		if *t.first != nil {
			return
		}
		if other, ok := w.ids[text]; ok && other != id {
			t.fail("token %q has two ids, %d and %d", text, other, id)
			return
		}
		w.tokens[id], w.ids[text], w.kinds[id] = text, id, typeUser
		if t.boolean(false, "special") || looksSpecial(text) {
			w.kinds[id] = typeControl
		}
	}
	for id, kind := range w.kinds {
		if kind == typeUnused {
			w.tokens[id] = fmt.Sprintf("[PAD%d]", id)
			for n := 0; w.has(w.tokens[id]); n++ {
				w.tokens[id] = fmt.Sprintf("[PAD%d_%d]", id, n)
			}
		}
	}
}

func (w *words) has(text string) bool { _, ok := w.ids[text]; return ok }

// looksSpecial reports whether an added token is for structure though its file does not say so, as llama.cpp's converters judge.
func looksSpecial(text string) bool {
	if slices.Contains([]string{"<pad>", "<mask>", "<2mass>", "[@BOS@]"}, text) {
		return true
	}
	for _, x := range [][2]string{{"<|", "|>"}, {"<｜", "｜>"}, {"<unused", ">"}} {
		if strings.HasPrefix(text, x[0]) && strings.HasSuffix(text, x[1]) {
			return true
		}
	}
	return false
}

// merges reads pairs, written "a b" or ["a", "b"].
func (w *words) merges() (all [][2]string) {
	for i, v := range w.inner.list("merges") {
		var a, b any
		switch v := v.(type) {
		case string:
			if x, y, ok := strings.Cut(v, " "); ok {
				a, b = x, y
			}
		case []any:
			if len(v) == 2 {
				a, b = v[0], v[1]
			}
		}
		x, ok := a.(string)
		y, ok2 := b.(string)
		if !ok || !ok2 || x == "" || y == "" {
			w.inner.fail("merge %d is %s, want two texts", i, show(v))
			return nil
		}
		all = append(all, [2]string{x, y})
	}
	return all
}

// steps are an object's own, or those of a Sequence.
func (o object) steps(key string) (all []object) {
	if o.text("", "type") != "Sequence" {
		return []object{o}
	}
	for _, v := range o.list(key) {
		values, _ := v.(map[string]any)
		all = append(all, object{o.file, values, o.first})
	}
	return all
}

// normal refuses normalizers but those given, by type.
func (w *words) normal(allowed ...string) (found []object) {
	n, _ := w.file.object("normalizer")
	for _, o := range n.steps("normalizers") {
		kind := o.text("", "type")
		if kind == "" {
			continue
		}
		if !slices.Contains(allowed, kind) {
			n.fail("normalizer %q is not supported with this tokenizer (%s)", kind, strings.Join(allowed, ", "))
		}
		found = append(found, o)
	}
	return found
}

// bytePairs is BPE over the byte alphabet: GGUF's "gpt2".
func (w *words) bytePairs() {
	w.normal("NFC")
	step, _ := w.file.object("pre_tokenizer")
	name := pre(step, w.inner.boolean(false, "ignore_merges"))
	if own := map[string]string{"command-r starcoder": "command-r", "cohere2 starcoder": "command-r", "phi2 gpt-2": "phi-2", "glm4 dbrx": "glm4",
		"exaone4 gpt-2": "exaone4"}[w.arch+" "+name]; own != "" {
		name = own // the same rules by the name that other engines' files have
	}
	w.set("tokenizer.ggml.model", "gpt2")
	w.set("tokenizer.ggml.pre", name)
	w.vocabulary()
	var merges []string
	for _, m := range w.merges() {
		merges = append(merges, m[0]+" "+m[1])
	}
	if merges == nil {
		w.inner.fail("merges is missing")
	}
	w.set("tokenizer.ggml.merges", merges)
}

// sentencePieces is BPE over characters, with bytes for those that are no token: GGUF's "llama", which merges by scores. The score of a text is
// the place of the first merge that makes it, negative, so that earlier ones come first.
func (w *words) sentencePieces() {
	prefix := w.spaces()
	w.set("tokenizer.ggml.model", "llama")
	w.set("tokenizer.ggml.pre", "default")
	w.set("tokenizer.ggml.add_space_prefix", prefix)
	w.vocabulary()
	w.scores = make([]float32, len(w.tokens))
	merges := w.merges()
	for id := range w.scores {
		w.scores[id] = -float32(len(merges))
	}
	for i, m := range slices.Backward(merges) {
		id, ok := w.ids[m[0]+m[1]]
		if !ok {
			w.inner.fail("merge %d makes %q, which is no token", i, m[0]+m[1])
			return
		}
		w.scores[id] = -float32(i)
	}
	w.byteTokens()
}

// byteTokens marks <0x00> to <0xFF>, and the unknown token.
func (w *words) byteTokens() {
	for b := range 256 {
		if id, ok := w.ids[fmt.Sprintf("<0x%02X>", b)]; ok && w.kinds[id] == typeNormal {
			w.kinds[id], w.scores[id] = typeByte, 0
		}
	}
	if id, ok := w.ids[w.inner.text("", "unk_token")]; ok {
		w.kinds[id], w.scores[id] = typeUnknown, 0
	}
	for id, kind := range w.kinds {
		if kind == typeUser {
			w.tokens[id] = strings.ReplaceAll(w.tokens[id], "▁", " ")
		}
	}
}

// spaces tells whether a text gets a space in front, by the normalizer and the pre-tokenizer, and refuses those that do other things than
// writing spaces as ▁.
func (w *words) spaces() (prefix bool) {
	for _, n := range w.normal("Prepend", "Replace", "Precompiled", "Strip", "NFKC") {
		switch n.text("", "type") {
		case "Prepend":
			if p := n.text("", "prepend"); p != "▁" {
				n.fail("normalizer prepends %q, want ▁", p)
			}
			prefix = true
		case "Replace":
			p, _ := n.object("pattern")
			if from, to := p.text("", "String"), n.text("", "content"); (from != " " || to != "▁") && w.inner.text("", "type") != "Unigram" {
				n.fail("normalizer replaces %s by %q, want a space by ▁", show(p.values), to)
			}
		}
	}
	step, _ := w.file.object("pre_tokenizer")
	for _, s := range step.steps("pretokenizers") {
		switch kind := s.text("", "type"); kind {
		case "", "WhitespaceSplit":
		case "Metaspace":
			scheme := map[bool]string{true: "always", false: "never"}[s.boolean(true, "add_prefix_space")]
			prefix = prefix || s.text(scheme, "prepend_scheme") != "never"
		case "Split": // gemma's: at spaces, of which its normalizer has left none
			if p, _ := s.object("pattern"); p.text("", "String") != " " {
				s.fail("split at %s is not supported with this tokenizer", show(p.values))
			}
		default:
			s.fail("type %q is not supported with this tokenizer (Metaspace)", kind)
		}
	}
	return prefix
}

// unigram is a vocabulary of texts with scores, in the order of their ids: GGUF's "t5".
func (w *words) unigram() {
	prefix := w.spaces()
	w.set("tokenizer.ggml.model", "t5")
	w.set("tokenizer.ggml.pre", "default")
	w.set("tokenizer.ggml.add_space_prefix", prefix)
	w.scores = make([]float32, len(w.tokens))
	for id, v := range w.inner.list("vocab") {
		pair, _ := v.([]any)
		if len(pair) != 2 || id >= len(w.tokens) {
			w.inner.fail("vocab has %s as token %d of %d, want a text and a score", show(v), id, len(w.tokens))
			return
		}
		text, ok := pair[0].(string)
		score, ok2 := numberOf(pair[1])
		if !ok || !ok2 {
			w.inner.fail("vocab has %s, want a text and a score", show(v))
			return
		}
		w.tokens[id], w.scores[id], w.kinds[id], w.ids[text] = text, float32(score), typeNormal, id
	}
	w.added()
	if id := w.inner.whole(-1, -1, len(w.tokens)-1, "unk_id"); id >= 0 {
		w.kinds[id] = typeUnknown
		w.set("tokenizer.ggml.unknown_token_id", uint32(id))
	}
	w.byteTokens()
	for _, n := range w.normal("Prepend", "Replace", "Precompiled", "Strip", "NFKC") {
		switch n.text("", "type") {
		case "Precompiled":
			raw, err := base64.StdEncoding.DecodeString(n.text("", "precompiled_charsmap"))
			if err != nil {
				n.fail("precompiled_charsmap: %w", err)
			}
			w.set("tokenizer.ggml.precompiled_charsmap", raw)
		case "Replace":
			w.set("tokenizer.ggml.remove_extra_whitespaces", true) // runs of spaces by one
		}
	}
}

// wordPieces is words and their parts, of which GGUF's "bert" marks the words, where tokenizer.json marks the parts.
func (w *words) wordPieces() {
	for _, n := range w.normal("BertNormalizer") {
		lower := n.boolean(true, "lowercase")
		w.set("tokenizer.ggml.normalizer.lowercase", lower)
		w.set("tokenizer.ggml.normalizer.strip_accents", n.boolean(lower, "strip_accents"))
		for _, name := range []string{"clean_text", "handle_chinese_chars"} {
			if !n.boolean(true, name) {
				n.fail("%s false is not supported", name)
			}
		}
	}
	w.set("tokenizer.ggml.model", "bert")
	w.set("tokenizer.ggml.pre", "default")
	prefix := w.inner.text("##", "continuing_subword_prefix")
	w.vocabulary()
	if id, ok := w.ids[w.inner.text("[UNK]", "unk_token")]; ok {
		w.set("tokenizer.ggml.unknown_token_id", uint32(id))
		w.kinds[id] = typeUnknown
	}
	for id, text := range w.tokens {
		if w.kinds[id] != typeNormal {
			continue
		}
		if part, ok := strings.CutPrefix(text, prefix); ok && part != "" {
			w.tokens[id] = part
		} else {
			w.tokens[id] = "▁" + text
		}
	}
}

package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// role is a part that one token plays, named by a key or else recognised by its text.
type role struct {
	key   string
	old   string   // another key, of older files
	texts []string // the first that is a token plays it, where the key is absent
	eog   bool     // generation ends with it
}

// roles and endTexts are those of llama.cpp's llama-vocab.cpp, where files don't say enough. The texts with ▁ are CodeLlama's, those with ｜ DeepSeek's.
var roles = []role{
	{key: "tokenizer.ggml.eot_token_id", eog: true},
	{key: "tokenizer.ggml.eom_token_id", eog: true},
	{key: "tokenizer.ggml.fim_pre_token_id", old: "tokenizer.ggml.prefix_token_id", texts: []string{
		"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>"}},
	{key: "tokenizer.ggml.fim_suf_token_id", old: "tokenizer.ggml.suffix_token_id", texts: []string{
		"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>"}},
	{key: "tokenizer.ggml.fim_mid_token_id", old: "tokenizer.ggml.middle_token_id", texts: []string{
		"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>"}},
	{key: "tokenizer.ggml.fim_pad_token_id", eog: true, texts: []string{
		"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
	{key: "tokenizer.ggml.fim_rep_token_id", eog: true, texts: []string{
		"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
	{key: "tokenizer.ggml.fim_sep_token_id", eog: true, texts: []string{
		"<|file_sep|>"}},
}

// endTexts are the texts of tokens that end generation in some model.
var endTexts = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
	"<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
	"<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
}

// notEnds are those of endTexts that end nothing where all of the others are tokens too: an end of a message that more follow (gpt-oss, Solar), and a
// piece of HTML (Gemma 4).
var notEnds = []struct {
	text   string
	others []string
}{
	{"<|end|>", []string{"<|return|>", "<|call|>"}},
	{"<|end|>", []string{"<|flush|>", "<|calls|>"}},
	{"</s>", []string{"<|tool_response>"}},
}

// defaults are what a kind of tokenizer adds to texts where the file does not say, or always, and the keys that name the tokens.
type defaults struct {
	bos, bosAlways, eos, eosAlways bool
	bosKeys, eosKeys               []string
}

// readSpecials reads which tokens have a part to play. A token recognised by its text becomes control, whatever type
// the file gives it, as in llama.cpp. Unlike there, no BOS or EOS is made up where the file names none.
func (t *Tokenizer) readSpecials(src Source, ids map[string]int32, by defaults) error {
	var err error
	if t.bos, err = t.readID(src, append(by.bosKeys, "tokenizer.ggml.bos_token_id")...); err != nil {
		return err
	}
	if t.eos, err = t.readID(src, append(by.eosKeys, "tokenizer.ggml.eos_token_id")...); err != nil {
		return err
	}
	if t.before, err = readAdd(src, "tokenizer.ggml.add_bos_token", by.bos, t.bos); err != nil {
		return err
	}
	if t.after, err = readAdd(src, "tokenizer.ggml.add_eos_token", by.eos, t.eos); err != nil {
		return err
	}
	if by.bosAlways {
		t.before = t.bos
	}
	if by.eosAlways {
		t.after = t.eos
	}
	t.eog, t.roles = map[int32]bool{}, map[string]int32{}
	for _, r := range roles {
		id, err := t.readID(src, r.key, r.old)
		if err != nil {
			return err
		}
		if id == none {
			id = t.recognise(ids, r.texts)
		}
		if id != none && r.eog {
			t.eog[id] = true
		}
		t.roles[r.key] = id
	}
	for _, text := range endTexts {
		if endsNothing(ids, text) {
			continue
		}
		if id := t.recognise(ids, []string{text}); id != none {
			t.eog[id] = true
		}
	}
	if t.eos != none {
		t.eog[t.eos] = true
	}
	return nil
}

// endsNothing reports whether text is one of notEnds.
func endsNothing(ids map[string]int32, text string) bool {
	return slices.ContainsFunc(notEnds, func(x struct {
		text   string
		others []string
	}) bool {
		return x.text == text && !slices.ContainsFunc(x.others, func(other string) bool {
			_, ok := ids[other]
			return !ok
		})
	})
}

// readStrips finds out which literal tokens take the white space after them with them. Files don't say; as in llama.cpp, Phi-3 is known by its name.
func (t *Tokenizer) readStrips(src Source) {
	name, _ := src.String("general.name")
	name = strings.ToLower(name)
	if !strings.Contains(name, "phi-3") && !strings.Contains(name, "phi3") {
		return
	}
	t.strips = make([]bool, t.Size())
	for id, kind := range t.kinds {
		text := t.texts[id]
		t.strips[id] = (kind.special() || kind == KindUserDefined) && text != "<unk>" && text != "<s>" && text != "<|endoftext|>"
	}
}

// recognise returns the token of the first of texts that is one, made control, or none.
func (t *Tokenizer) recognise(ids map[string]int32, texts []string) int32 {
	for _, text := range texts {
		if id, ok := ids[text]; ok {
			t.kinds[id] = KindControl
			return id
		}
	}
	return none
}

// readID returns the token that the first of keys that is there names, or none.
func (t *Tokenizer) readID(src Source, keys ...string) (int32, error) {
	for _, key := range keys {
		id, ok := src.Uint(key)
		if !ok {
			continue
		}
		if id >= uint64(t.Size()) {
			return none, fmt.Errorf("tokenizer: %s is %d, but there are %d tokens", key, id, t.Size())
		}
		return int32(id), nil
	}
	return none, nil
}

// readAdd returns the token that is to be added, or none: id if key says so, or else by default.
func readAdd(src Source, key string, byDefault bool, id int32) (int32, error) {
	add, ok := src.Bool(key)
	switch {
	case !ok && !byDefault, ok && !add:
		return none, nil
	case ok && id == none:
		return none, fmt.Errorf("tokenizer: %s is true, but no such token is named", key)
	}
	return id, nil
}

package tokenizer

import "fmt"

// role is a part that one token plays, named by a key or else recognised by its text.
type role struct {
	key   string
	texts []string // the first that is a token plays it, where the key is absent
	eog   bool     // generation ends with it
}

// roles and endTexts are those of llama.cpp's llama-vocab.cpp, where files don't say enough. Its exceptions for
// vocabularies whose pre-tokenizers are not supported here (gpt-oss, solar-open, gemma 4) are left out.
var roles = []role{
	{key: "tokenizer.ggml.eot_token_id", eog: true},
	{key: "tokenizer.ggml.eom_token_id", eog: true},
	{key: "tokenizer.ggml.fim_pre_token_id", texts: []string{
		"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<PRE>", "<|code_prefix|>", "<|prefix|>"}},
	{key: "tokenizer.ggml.fim_suf_token_id", texts: []string{
		"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<SUF>", "<|code_suffix|>", "<|suffix|>"}},
	{key: "tokenizer.ggml.fim_mid_token_id", texts: []string{
		"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<MID>", "<|code_middle|>", "<|middle|>"}},
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

// readSpecials reads which tokens have a part to play. A token recognised by its text becomes control, whatever type
// the file gives it, as in llama.cpp. Unlike there, no BOS or EOS is made up where the file names none.
func (t *Tokenizer) readSpecials(src Source, ids map[string]int32) error {
	var err error
	if t.bos, err = t.readID(src, "tokenizer.ggml.bos_token_id"); err != nil {
		return err
	}
	if t.eos, err = t.readID(src, "tokenizer.ggml.eos_token_id"); err != nil {
		return err
	}
	t.addBOS, err = readAdd(src, "tokenizer.ggml.add_bos_token", t.addBOS, t.bos)
	if err != nil {
		return err
	}
	t.addEOS, err = readAdd(src, "tokenizer.ggml.add_eos_token", false, t.eos)
	if err != nil {
		return err
	}
	t.eog, t.roles = map[int32]bool{}, map[string]int32{}
	if t.eos != none {
		t.eog[t.eos] = true
	}
	for _, r := range roles {
		id, err := t.readID(src, r.key)
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
		if id := t.recognise(ids, []string{text}); id != none {
			t.eog[id] = true
		}
	}
	return nil
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

// readID returns the token that key names, or none if the key is absent.
func (t *Tokenizer) readID(src Source, key string) (int32, error) {
	id, ok := src.Uint(key)
	if !ok {
		return none, nil
	}
	if id >= uint64(t.Size()) {
		return none, fmt.Errorf("tokenizer: %s is %d, but there are %d tokens", key, id, t.Size())
	}
	return int32(id), nil
}

// readAdd returns whether the token id is to be added: what key says, or else byDefault if there is such a token.
func readAdd(src Source, key string, byDefault bool, id int32) (bool, error) {
	add, ok := src.Bool(key)
	if !ok {
		return byDefault && id != none, nil
	}
	if add && id == none {
		return false, fmt.Errorf("tokenizer: %s is true, but no such token is named", key)
	}
	return add, nil
}

package hf

import (
	"strconv"
	"strings"
)

// named is what a tensor's name says.
type named struct {
	layer  int    // -1 outside the layers
	module string // "self_attn.q_proj", "embed_tokens", "mlp.experts.up_proj"
	expert int    // -1 if the module is no expert's
	field  string // "weight", "bias", "qweight", ...; "" for a tensor called as its module
	gguf   string // GGUF's name without field: "blk.3.attn_q"; "" if there is none
}

// skipped are parts of models that see and hear, which text needs nothing of, and buffers that older versions of transformers saved.
var skipped = []string{"vision_tower.", "vision_model.", "multi_modal_projector.", "visual.", "rotary_emb.inv_freq", "attn.masked_bias", ".attn.bias"}

// parseName takes a tensor's name apart; false for one that is not needed.
func (f *family) parseName(name string) (n named, ok bool) {
	for _, s := range skipped {
		if strings.Contains("."+name, s) && (s != ".attn.bias" || f.arch == "gpt2") {
			return n, false
		}
	}
	for trimmed := ""; trimmed != name; {
		trimmed = name
		for _, p := range []string{"model.", "language_model.", "transformer."} {
			name = strings.TrimPrefix(name, p)
		}
	}
	n = named{layer: -1, expert: -1}
	words := strings.Split(name, ".")
	if len(words) > 2 && (words[0] == "layers" || words[0] == "h") {
		if i, err := strconv.Atoi(words[1]); err == nil && i >= 0 {
			n.layer, words = i, words[2:]
		}
	}
	for i, w := range words {
		if x, err := strconv.Atoi(w); err == nil && x >= 0 && i > 0 && words[i-1] == "experts" {
			n.expert, words = x, append(append([]string{}, words[:i]...), words[i+1:]...)
			break
		}
	}
	if last := len(words) - 1; last > 0 && isField(words[last]) {
		n.field, words = words[last], words[:last]
	}
	n.module = strings.Join(words, ".")
	if n.layer >= 0 {
		if name, ok := lookup(n.module, f.layer, layerNames); ok {
			n.gguf = "blk." + strconv.Itoa(n.layer) + "." + name
		}
	} else if name, ok := lookup(n.module, f.top, topNames); ok {
		n.gguf = name
	}
	return n, true
}

// isField reports whether a word names a tensor of a module.
func isField(w string) bool {
	switch w {
	case "weight", "bias", "qweight", "qzeros", "scales", "g_idx":
		return true
	}
	return false
}

func lookup(name string, maps ...map[string]string) (string, bool) {
	for _, m := range maps {
		if v, ok := m[name]; ok {
			return v, true
		}
	}
	return "", false
}

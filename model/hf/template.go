package hf

import (
	"slices"

	"umbra/model/gguf"
)

// special writes which tokens have parts to play, and whether they are added to a text.
func (w *words) special() {
	first := w.file.first
	tokens := parse("special_tokens_map.json", w.folder.special, first)
	generation := parse("generation_config.json", w.folder.generation, first)
	named := func(name string) int {
		for _, o := range []object{w.config, tokens} {
			v, _ := o.get(name)
			if inner, ok := v.(map[string]any); ok {
				v = inner["content"]
			}
			if text, ok := v.(string); ok && w.has(text) {
				return w.ids[text]
			}
		}
		for _, o := range []object{generation, w.model.config} {
			if v, _ := o.get(name + "_id"); v != nil {
				if list, ok := v.([]any); ok && len(list) > 0 {
					v = list[0]
				}
				if id, ok := wholeOf(v); ok && id >= 0 && id < len(w.tokens) {
					return id
				}
			}
		}
		return -1
	}
	bos, eos := named("bos_token"), named("eos_token")
	for _, x := range []struct {
		key string
		id  int
	}{{"bos", bos}, {"eos", eos}, {"unknown", named("unk_token")}, {"padding", named("pad_token")}, {"seperator", named("sep_token")}, {"mask", named("mask_token")},
		{"cls", named("cls_token")}} {
		key := "tokenizer.ggml." + x.key + "_token_id"
		if x.id >= 0 && !slices.ContainsFunc(w.all, func(kv gguf.KV) bool { return kv.Key == key }) {
			w.set(key, uint32(x.id))
		}
	}
	w.ends(generation, eos)
	front, back, ok := w.around()
	if !ok {
		front, back = w.config.boolean(false, "add_bos_token"), w.config.boolean(false, "add_eos_token")
	}
	w.set("tokenizer.ggml.add_bos_token", front && bos >= 0)
	w.set("tokenizer.ggml.add_eos_token", back && eos >= 0)
}

// ends names further tokens that end an answer, of which generation_config.json may have several; GGUF has keys for two.
func (w *words) ends(generation object, eos int) {
	v, _ := generation.get("eos_token_id")
	list, _ := v.([]any)
	keys := []string{"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}
	for _, v := range list {
		if id, ok := wholeOf(v); ok && id >= 0 && id < len(w.tokens) && id != eos && len(keys) > 0 {
			w.set(keys[0], uint32(id))
			keys = keys[1:]
		}
	}
}

// around tells from the post-processor whether special tokens go before and after a text; false if it says nothing of it.
func (w *words) around() (front, back, ok bool) {
	post, _ := w.file.object("post_processor")
	for _, p := range post.steps("processors") {
		switch p.text("", "type") {
		case "TemplateProcessing":
			text := false
			for _, v := range p.list("single") {
				piece, _ := v.(map[string]any)
				switch {
				case piece["Sequence"] != nil:
					text = true
				case text:
					back = true
				default:
					front = true
				}
			}
			return front, back, true
		case "BertProcessing", "RobertaProcessing":
			return true, true, true
		}
	}
	return false, false, false
}

// template writes the chat template, and others by their names.
func (w *words) template() {
	const key = "tokenizer.chat_template"
	if text := string(w.folder.jinja); text != "" {
		w.set(key, text)
		return
	}
	config := w.config
	if !config.has("chat_template") {
		config = parse("chat_template.json", w.folder.chat, w.file.first)
	}
	v, _ := config.get("chat_template")
	list, ok := v.([]any)
	if !ok {
		if text := config.text("", "chat_template"); text != "" {
			w.set(key, text)
		}
		return
	}
	var names []string
	for _, v := range list {
		values, _ := v.(map[string]any)
		t := object{config.file + ": chat_template", values, config.first}
		name, text := t.text("", "name"), t.text("", "template")
		switch {
		case name == "default":
			w.set(key, text)
		case name != "" && !slices.Contains(names, name):
			w.set(key+"."+name, text)
			names = append(names, name)
		}
	}
	if names != nil {
		w.set("tokenizer.chat_templates", names)
	}
}

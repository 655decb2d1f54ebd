package hf

import (
	"strings"
)

// What the pre-tokenizer of a tokenizer.json is called in GGUF is told by what it does: its steps, written down by steps, are looked up
// in pres.

// Patterns of Split that several tokenizers have.
const (
	contractions = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|`
	wordsOf      = `[^\r\n\p{L}\p{N}]?\p{L}+|`
	ending       = ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	upperFirst   = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`
	upperOnly    = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`
	endingSlash  = ` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	cased        = `(?i:'s|'t|'re|'ve|'m|'ll|'d)?|`

	llama3Pattern = contractions + wordsOf + `\p{N}{1,3}|` + ending
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	cjkPattern    = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
)

// pres maps steps to the names that GGUF files have for them. Where a name depends on ignore_merges, it is in mergeless.
var pres = map[string]string{
	"bytes:words":                        "gpt-2",
	"split:" + gpt2Pattern + "; bytes":   "gpt-2",
	"digits:1; bytes:words":              "starcoder",
	"split:" + llama3Pattern + "; bytes": "dbrx",
	"split:" + contractions + wordsOf + `\p{N}|` + ending + "; bytes":                                                                                                                                   "qwen2",
	"split:" + contractions + wordsOf + `\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+` + "; bytes":                                                                                          "seed-coder",
	"split:" + contractions + wordsOf + `\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+` + "; bytes":                                                                                             "seed-coder",
	"split:" + contractions + `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+` + "; bytes":                                                               "qwen35",
	"split:" + upperFirst + "|" + upperOnly + `|\p{N}|` + endingSlash + "; bytes":                                                                                                                       "tekken",
	"split:" + upperFirst + cased + upperOnly + cased + `\p{N}{1,3}|` + endingSlash + "; bytes":                                                                                                         "gpt-4o",
	`split:[\r\n]; split:\s?\p{L}+; split:\s?\p{P}+; split:` + cjkPattern + "; digits:1; bytes":                                                                                                         "deepseek-coder",
	`split:\p{N}{1,3}; split:[一-龥぀-ゟ゠-ヿ]+; split:[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_` + "`" + `{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+; bytes`: "deepseek-v3",
	`punctuation; bytes:words; digits; split:[0-9][0-9][0-9]`:                                                                                                                                           "falcon",
	`split: ?[^(\s|[.,!?…。，、।۔،])]+; bytes`:                                                                                                                                                             "bloom",
}

// mergeless are the names of steps with ignore_merges.
var mergeless = map[string]string{"dbrx": "llama-bpe", "tekken": "tekken", "gpt-4o": "granite-embed-multi-97m"}

// pre names a tokenizer's pre-tokenizer; ignore is ignore_merges.
func pre(step object, ignore bool) string {
	text := strings.Join(steps(step), "; ")
	if *step.first != nil {
		return ""
	}
	name, ok := pres[text]
	if ok && ignore {
		if name, ok = mergeless[name]; !ok {
			step.fail("ignore_merges is not supported with the steps %q", text)
		}
	} else if !ok {
		step.fail("the steps %q are not a pre-tokenizer that is known; convert the model with llama.cpp's converter if that knows it", text)
	}
	return name
}

// steps writes down what a pre-tokenizer does, one step after the other.
func steps(o object) (all []string) {
	switch kind := o.text("", "type"); kind {
	case "Sequence":
		for _, v := range o.list("pretokenizers") {
			values, ok := v.(map[string]any)
			if !ok {
				o.fail("pretokenizers has %s, want objects", show(v))
				return nil
			}
			all = append(all, steps(object{o.file, values, o.first})...)
		}
		return all
	case "ByteLevel":
		if o.boolean(true, "add_prefix_space") {
			o.fail("add_prefix_space of ByteLevel is not supported")
		}
		if o.boolean(true, "use_regex") {
			return []string{"bytes:words"}
		}
		return []string{"bytes"}
	case "Digits":
		if o.boolean(false, "individual_digits") {
			return []string{"digits:1"}
		}
		return []string{"digits"}
	case "Punctuation":
		if b := o.text("Isolated", "behavior"); b != "Contiguous" {
			return []string{"punctuation:" + b}
		}
		return []string{"punctuation"}
	case "Split":
		p, _ := o.object("pattern")
		text := p.text("", "Regex")
		if text == "" {
			return []string{"split on " + show(p.text("", "String")) + " " + o.text("", "behavior")}
		}
		if b := o.text("", "behavior"); b == "Removed" && o.boolean(false, "invert") || b == "Isolated" && !o.boolean(false, "invert") {
			return []string{"split:" + text} // what does not match is cut off either way, as all text matches
		}
		return []string{"split " + o.text("", "behavior") + ":" + text}
	case "":
		return nil
	default:
		return []string{kind}
	}
}

package tokenizer

import "strings"

// EncodeOptions says how text becomes tokens. Its zero value takes text literally and adds nothing.
type EncodeOptions struct {
	// AddSpecial adds BOS before and EOS after the text where the model's rules say so. A BOS that the text itself
	// begins with is kept besides.
	AddSpecial bool
	// ParseSpecial makes the text of a special token become that token. Leave it false for text of users, who could
	// forge turns with it. User-defined tokens are found either way.
	ParseSpecial bool
}

// Encode returns the tokens of text. Any bytes will do. Byte-level and byte-fallback vocabularies keep what is not valid UTF-8 too, byte by byte.
func (t *Tokenizer) Encode(text string, opts EncodeOptions) []int32 {
	var w work
	return t.encode(text, opts, &w)
}

func (t *Tokenizer) encode(text string, opts EncodeOptions, w *work) []int32 {
	// A token is 3 to 4 bytes of usual text.
	ids := make([]int32, 0, len(text)/3+2)
	if opts.AddSpecial && t.before != none {
		ids = append(ids, t.before)
	}
	literal := &t.user
	if opts.ParseSpecial {
		literal = &t.marked
	}
	for text != "" {
		start, end, id := literal.find(text, &w.steps)
		if start > 0 {
			ids = t.model.encode(ids, text[:start], w)
		}
		text = text[end:]
		if id == none {
			break
		}
		ids = append(ids, id)
		if t.strips != nil && t.strips[id] {
			text = strings.TrimLeft(text, " \t\n\v\f\r")
		}
	}
	if opts.AddSpecial && t.after != none {
		ids = append(ids, t.after)
	}
	return ids
}

package tokenizer

// EncodeOptions says how text becomes tokens. Its zero value takes text literally and adds nothing.
type EncodeOptions struct {
	// AddSpecial adds BOS before and EOS after the text where the model's rules say so. A BOS that the text itself
	// begins with is kept besides.
	AddSpecial bool
	// ParseSpecial makes the text of a special token become that token. Leave it false for text of users, who could
	// forge turns with it. User-defined tokens are found either way.
	ParseSpecial bool
}

// Encode returns the tokens of text. Any bytes will do: what is not valid UTF-8 survives too, byte by byte.
func (t *Tokenizer) Encode(text string, opts EncodeOptions) []int32 {
	// A token is 3 to 4 bytes of usual text.
	ids := make([]int32, 0, len(text)/3+2)
	if opts.AddSpecial && t.addBOS {
		ids = append(ids, t.bos)
	}
	literal := &t.user
	if opts.ParseSpecial {
		literal = &t.marked
	}
	var g merger
	for text != "" {
		start, end, id := literal.find(text)
		ids = t.encodePlain(ids, text[:start], &g)
		if id != none {
			ids = append(ids, id)
		}
		text = text[end:]
	}
	if opts.AddSpecial && t.addEOS {
		ids = append(ids, t.eos)
	}
	return ids
}

// encodePlain adds the tokens of text, in which no token is literal any more.
func (t *Tokenizer) encodePlain(ids []int32, text string, g *merger) []int32 {
	for text != "" {
		n := t.split(text)
		word := text[:n]
		text = text[n:]
		if t.ignoreMerges {
			if id, ok := t.words[word]; ok {
				ids = append(ids, id)
				continue
			}
		}
		ids = g.encode(ids, &t.merges, word)
	}
	return ids
}

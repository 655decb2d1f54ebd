package tokenizer

import "fmt"

// Differs returns an error that says how the ids of another tokenizer differ in meaning, or nil: how tokens are spelled, texts, kinds, and which
// tokens begin a text or end one.
func (t *Tokenizer) Differs(other *Tokenizer) error {
	if t.kind != other.kind {
		return fmt.Errorf("tokenizer: kind %s against %s", other.kind, t.kind)
	}
	if t.Size() != other.Size() {
		return fmt.Errorf("tokenizer: %d tokens against %d", other.Size(), t.Size())
	}
	count, first := 0, -1
	for id, text := range t.texts {
		if text != other.texts[id] || t.kinds[id] != other.kinds[id] {
			if count++; first < 0 {
				first = id
			}
		}
	}
	if count > 0 {
		return fmt.Errorf("tokenizer: %d of %d tokens differ, the first is %d: %q of kind %d against %q of kind %d", count, t.Size(), first,
			other.texts[first], other.kinds[first], t.texts[first], t.kinds[first])
	}
	for _, x := range []struct {
		name         string
		other, token int32
	}{{"begins", other.bos, t.bos}, {"ends", other.eos, t.eos}} {
		if x.other != x.token {
			return fmt.Errorf("tokenizer: token %d %s a text against %d", x.other, x.name, x.token)
		}
	}
	return nil
}

package score

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"umbra/model/tokenizer"
)

// Counting says how a text is cut into windows and which tokens of them are scored.
type Counting struct {
	// Context is the length of a window, at least 4.
	Context int `json:"context"`
	// Stride 0 counts as llama.cpp's perplexity tool does: windows without overlap, each begun by BOS in its first token's place where
	// the tokenizer adds one, the tokens after the middle one scored. Above 0 it counts as that tool's --ppl-stride does: each
	// window begins Stride tokens after the one before, with the text's own token, and its last Stride tokens are scored.
	Stride int `json:"stride"`
}

// Check refuses numbers that score nothing.
func (c Counting) Check() error {
	if c.Context < 4 {
		return fmt.Errorf("score: windows of %d tokens are too short; 4 is the least", c.Context)
	}
	if c.Stride < 0 || c.Stride >= c.Context {
		return fmt.Errorf("score: a stride of %d is outside 1..%d, what windows of %d tokens can score", c.Stride, c.Context-1, c.Context)
	}
	return nil
}

// Windows cuts tokens up; bos begins each window unless it is below 0. What is left at the end, less than a window, is not scored.
func (c Counting) Windows(tokens []int32, bos int32) ([]Window, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	var all []Window
	if c.Stride == 0 {
		for at := 0; at+c.Context <= len(tokens); at += c.Context {
			w := Window{append([]int32(nil), tokens[at:at+c.Context]...), c.Context/2 + 1}
			if bos >= 0 {
				w.Tokens[0] = bos
			}
			all = append(all, w)
		}
	} else {
		for at := 0; at+c.Context < len(tokens); at += c.Stride {
			all = append(all, Window{tokens[at : at+c.Context], c.Context - c.Stride})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("score: the text has %d tokens, which is no window of %d; give a longer text, or a smaller context", len(tokens), c.Context)
	}
	return all, nil
}

// Tokens are a text's tokens as they are counted, BOS before them where the tokenizer adds it, and BOS itself, below 0 where it does not.
func Tokens(t *tokenizer.Tokenizer, text string) (tokens []int32, bos int32) {
	bos = -1
	if around := t.Encode("", tokenizer.EncodeOptions{AddSpecial: true}); len(around) > 0 {
		if id, ok := t.BOS(); ok && around[0] == id {
			bos, tokens = id, append(tokens, id)
		}
	}
	return append(tokens, t.Encode(text, tokenizer.EncodeOptions{})...), bos
}

// Vocabulary tells tokenizers apart: SHA-256 over what their tokens are.
func Vocabulary(t *tokenizer.Tokenizer) string {
	h := sha256.New()
	for id := range int32(t.Size()) {
		fmt.Fprintf(h, "%d %q\n", t.Kind(id), t.Text(id))
	}
	return hex.EncodeToString(h.Sum(nil))
}

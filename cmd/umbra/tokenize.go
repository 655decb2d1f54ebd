package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"umbra/cmd/umbra/internal/term"
	"umbra/model/tokenizer"
)

type tokenizeCommand struct {
	Model        string   `short:"m" placeholder:"FILE" help:"Model whose tokenizer is used: a file (GGUF), a folder of Hugging Face's, or a name as umbra pull takes it. Default: the built-in one."`
	IDs          bool     `name:"ids" help:"Write the ids alone, on one line."`
	NoSpecial    bool     `help:"Leave out the tokens that the model wants around a text (BOS, EOS)."`
	ParseSpecial bool     `help:"Read the text of a special token, such as <|endoftext|>, as that token."`
	JSON         bool     `help:"Write JSON: ids and pieces, or the text of --decode."`
	Decode       bool     `help:"Take ids, separated by spaces or commas, and write their text."`
	Text         []string `arg:"" optional:"" help:"The text, or - for standard input; ids with --decode."`
}

func (tokenizeCommand) Help() string {
	return `Examples:
  umbra tokenize 'func main() {'
  umbra tokenize --ids - < main.go
  umbra tokenize --json 'func main() {'
  umbra tokenize --decode 953 2384 350
  umbra tokenize -m model.gguf --parse-special '<|im_start|>user'`
}

// Validate refuses what parsing alone cannot.
func (t *tokenizeCommand) Validate() error {
	switch {
	case len(t.Text) == 0 && t.Decode:
		return fmt.Errorf("give ids, or - to read them from standard input")
	case len(t.Text) == 0:
		return fmt.Errorf("give a text, or - to read it from standard input")
	case len(t.Text) > 1 && !t.Decode:
		return fmt.Errorf("tokenize takes one text, not %d: put it in quotes", len(t.Text))
	case t.Decode && (t.IDs || t.NoSpecial || t.ParseSpecial):
		return fmt.Errorf("--ids, --no-special and --parse-special are for text and have no use with --decode")
	}
	return nil
}

func (t *tokenizeCommand) Run(c *console) error {
	f, _, err := openModel(t.Model)
	if err != nil {
		return err
	}
	defer f.Close()
	tok, err := tokenizer.New(f)
	if err != nil {
		return err
	}
	text, err := readText(c, strings.Join(t.Text, " "))
	if err != nil {
		return err
	}
	if t.Decode {
		return t.decode(c.out, tok, text)
	}
	ids := tok.Encode(text, tokenizer.EncodeOptions{AddSpecial: !t.NoSpecial, ParseSpecial: t.ParseSpecial})
	if t.JSON {
		pieces := make([]string, len(ids))
		for i, id := range ids {
			pieces[i] = string(tok.Render(id))
		}
		return writeJSON(c.out, struct {
			IDs    []int32  `json:"ids"`
			Pieces []string `json:"pieces"`
		}{ids, pieces})
	}
	if t.IDs {
		words := make([]string, len(ids))
		for i, id := range ids {
			words[i] = strconv.Itoa(int(id))
		}
		_, err = fmt.Fprintln(c.out, strings.Join(words, " "))
		return err
	}
	table := term.NewTable(">id", "piece")
	for _, id := range ids {
		table.Row(strconv.Itoa(int(id)), strconv.Quote(string(tok.Render(id))))
	}
	_, err = table.WriteTo(c.out)
	return err
}

// decode writes the text of ids, special tokens by their names, byte for byte.
func (t *tokenizeCommand) decode(w io.Writer, tok *tokenizer.Tokenizer, list string) error {
	var text []byte
	for i, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n[]", r) }) {
		id, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return fmt.Errorf("%q, number %d in the list, is not a token id", word, i+1)
		}
		if id < 0 || id >= int64(tok.Size()) {
			return fmt.Errorf("token id %d is outside this vocabulary's 0..%d", id, tok.Size()-1)
		}
		text = append(text, tok.Render(int32(id))...)
	}
	if t.JSON {
		return writeJSON(w, struct {
			Text string `json:"text"`
		}{string(text)})
	}
	_, err := w.Write(text)
	return err
}

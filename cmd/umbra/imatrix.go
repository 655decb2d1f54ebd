package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"

	"umbra/model"
	"umbra/model/imatrix"
	"umbra/model/score"
)

// imatrixCommand collects an importance matrix.
type imatrixCommand struct {
	Context int    `name:"ctx" placeholder:"TOKENS" default:"512" help:"Tokens of a window (${default})."`
	Output  string `short:"o" required:"" placeholder:"FILE" help:"Write the matrix to this file (GGUF)."`
	scoringFlags
}

func (imatrixCommand) Help() string {
	return `An importance matrix says how large the inputs of each weight matrix are, column by column, while a
model reads a text: umbra quantize --imatrix then keeps those weights exact that count. A text of the
kind that the model is for is best, some 50 000 tokens or more. The text runs in windows without
overlap, as with umbra perplexity, whose figure is given too. Inputs of the last matrix, to logits, are
those of scored tokens alone. Each expert of a mixture has sums of its own. The file is in llama.cpp's format.

Examples:
  umbra imatrix -m model.gguf -f text.txt -o model.imatrix.gguf
  umbra quantize --imatrix model.imatrix.gguf model.gguf small.gguf q4_k_m`
}

// Validate refuses what parsing alone cannot.
func (i *imatrixCommand) Validate() error {
	if !i.given() {
		return errors.New("give a text file, or - to read the text from standard input")
	}
	if err := (score.Counting{Context: i.Context}).Check(); err != nil {
		return err
	}
	return i.scoringFlags.validate()
}

// takeAfter is how many scored tokens are summed up on the device, in float32, before they are added to the host's sums.
const takeAfter = 1 << 15

func (i *imatrixCommand) Run(c *console) error {
	s, err := i.file()
	if err != nil {
		return err
	}
	defer s.close()
	text, err := i.read(c)
	if err != nil {
		return err
	}
	tokens, bos := score.Tokens(s.tokenizer, text)
	windows, err := score.Counting{Context: i.Context}.Windows(tokens, bos)
	if err != nil {
		return fmt.Errorf("%s: %w", i.name(), err)
	}
	windows = i.limited(windows)
	if err := i.open(c, s, i.Context, func(o *model.Options) { o.Squares = true }); err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	c.say("%s: %s, %s of %d", s.name, plural(len(tokens), "token"), plural(len(windows), "window"), i.Context)
	report, end := progress(c.bars)
	defer end()
	sums, taken := squareSums{}, 0
	var failed error
	nll, err := score.Perplexity(ctx, s.model, windows, func(done, total int, nll score.Mean) {
		report(done, total, nll)
		if done-taken >= takeAfter && failed == nil {
			failed, taken = sums.take(s.model), done
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return interrupted(ctx, err)
	}
	if err := sums.take(s.model); err != nil {
		return err
	}
	end()
	m, err := sums.matrix()
	if err != nil {
		return err
	}
	m.Datasets, m.Chunks, m.ChunkSize = []string{filepath.Base(i.name())}, len(windows), i.Context
	if err := m.Save(i.Output); err != nil {
		return err
	}
	value, spread := nll.Perplexity()
	if name, n := rare(m); n > 0 {
		c.say("%d experts' matrices saw no token, some of %s: without importance umbra quantize treats their columns alike; read a longer text", n, name)
	}
	c.say("%s: %d tensors, %s; perplexity %.4f +- %.4f", i.Output, len(m.Entries), plural(len(windows)*(i.Context-1), "token row"), value, spread)
	return nil
}

// squareSums are sums of squares by tensor.
type squareSums map[string]*squareSum

type squareSum struct {
	sums []float64 // by matrix and column
	rows []int     // by matrix
}

// take adds what a model has summed up.
func (q squareSums) take(m *model.Model) error {
	all, err := m.TakeSquares()
	if err != nil {
		return err
	}
	for _, s := range all {
		for _, name := range s.Tensors {
			if q[name] == nil {
				q[name] = &squareSum{sums: make([]float64, len(s.Sums)), rows: make([]int, len(s.Rows))}
			}
			e := q[name]
			for i, n := range s.Rows {
				e.rows[i] += n
			}
			for k, v := range s.Sums {
				e.sums[k] += float64(v)
			}
		}
	}
	return nil
}

// matrix is the importance matrix that sums make.
func (q squareSums) matrix() (*imatrix.Matrix, error) {
	m := &imatrix.Matrix{}
	for name, e := range q {
		for k, v := range e.sums {
			if math.IsNaN(v) || v > math.MaxFloat32 {
				return nil, fmt.Errorf("tensor %q: the squares of column %d of its inputs add up to %v; is the model damaged?", name, k%(len(e.sums)/len(e.rows)), v)
			}
		}
		if err := m.Add(name, e.sums, e.rows...); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// rare counts matrices of experts that no token row came to, and names the first tensor with one.
func rare(m *imatrix.Matrix) (name string, n int) {
	for _, x := range slices.Sorted(maps.Keys(m.Entries)) {
		if k := m.Entries[x].Unseen(); k > 0 {
			if n += k; name == "" {
				name = x
			}
		}
	}
	return name, n
}

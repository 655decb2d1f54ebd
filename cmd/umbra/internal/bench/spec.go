package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"umbra"
	"umbra/scheduler/sample"
)

const (
	// WorkPrompts is how many prompts a Work has, WorkContext the most tokens that one has.
	WorkPrompts = 8
	WorkContext = 256
)

// Work is prompts of one kind, and how their continuations are chosen.
type Work struct {
	Name     string
	Prompts  []string
	Sampling sample.Params
}

// Works are Go code by greedy choice, text that repeats itself, and Go code drawn at temperature 1.
func Works() []Work {
	warm := sample.Neutral()
	warm.Seed = 1
	return []Work{{"Go code", goPrompts, sample.Params{}}, {"repeats", repeats(), sample.Params{}}, {"drawn", goPrompts, warm}}
}

// WorksOf are continuations of pieces of texts, by greedy choice and drawn at temperature 1.
func WorksOf(texts []string) []Work {
	const piece = 400 // bytes
	var prompts []string
	for i := range WorkPrompts {
		text := texts[i%len(texts)]
		at := len(text) * (i / len(texts)) / WorkPrompts
		prompts = append(prompts, strings.ToValidUTF8(text[at:min(at+piece, len(text))], ""))
	}
	warm := sample.Neutral()
	warm.Seed = 1
	return []Work{{"given", prompts, sample.Params{}}, {"given, drawn", prompts, warm}}
}

// goPrompts are beginnings of Go code, of several kinds.
var goPrompts = []string{
	"package main\n\nimport \"fmt\"\n\nfunc main() {\n",
	"// Reverse returns s with its runes in the opposite order.\nfunc Reverse(s string) string {\n",
	"type Stack struct {\n\titems []int\n}\n\nfunc (s *Stack) Push(x int) {\n",
	"func TestParse(t *testing.T) {\n\ttests := []struct {\n\t\tin   string\n\t\twant int\n\t}{\n",
	"func (c *conn) readLoop() error {\n\tbuf := make([]byte, 4096)\n\tfor {\n",
	"const (\n\tStatusOK = iota\n\tStatusMoved\n\tStatusNotFound\n)\n\nfunc (s Status) String() string {\n\tswitch s {\n",
	"// Copy copies from src to dst until either EOF is reached or an error occurs.\nfunc Copy(dst io.Writer, src io.Reader) (int64, error) {\n",
	"func BenchmarkSort(b *testing.B) {\n\tfor i := 0; i < b.N; i++ {\n",
}

// repeats are texts whose continuation says again what they have said.
func repeats() (prompts []string) {
	for i, line := range []string{
		"\tcase %[1]d:\n\t\treturn \"value %[1]d\", nil\n",
		"\tm[\"key%[1]d\"] = append(m[\"key%[1]d\"], %[1]d)\n",
		"\tif err := w.WriteByte(b[%[1]d]); err != nil {\n\t\treturn err\n\t}\n",
		"\t{name: \"a%[1]d\", in: %[1]d, out: %[1]d},\n",
	} {
		for k := range WorkPrompts / 4 {
			var b strings.Builder
			fmt.Fprintf(&b, "package p%d\n\nfunc f%d() {\n", i, k)
			for n := range 6 {
				fmt.Fprintf(&b, line, n+k)
			}
			prompts = append(prompts, b.String())
		}
	}
	return prompts
}

// Compared is the outcome of Compare: tokens per second, and the ratio of both speeds, the median of all rounds with the extremes.
type Compared struct {
	Text               string
	Sequences          int
	Plain, With        float64
	Ratio, Least, Most float64
}

// Compare continues a work's prompts by so many tokens each, so many sequences at once, on an engine without proposals and on one
// with, in turn. A round before those that count compiles kernels, and leaves the prompts in both KV pools.
func Compare(ctx context.Context, plain, with *umbra.Engine, w Work, sequences, tokens, rounds int) (Compared, error) {
	var before, after, ratios []float64
	for i := range rounds + 1 {
		a, err := w.run(ctx, plain, sequences, tokens)
		if err != nil {
			return Compared{}, err
		}
		b, err := w.run(ctx, with, sequences, tokens)
		if err != nil {
			return Compared{}, err
		}
		if i > 0 {
			before, after, ratios = append(before, a), append(after, b), append(ratios, b/a)
		}
	}
	for _, list := range [][]float64{before, after, ratios} {
		slices.Sort(list)
	}
	at := rounds / 2
	return Compared{w.Name, sequences, before[at], after[at], ratios[at], ratios[0], ratios[rounds-1]}, nil
}

// run continues all prompts, each at least once and as many as there are sequences, and returns the tokens per second.
func (w Work) run(ctx context.Context, e *umbra.Engine, sequences, tokens int) (float64, error) {
	all := max(sequences, len(w.Prompts))
	all -= all % sequences // so that all run together to the end
	next, ended := make(chan int), make(chan error)
	start := time.Now()
	for range sequences {
		go func() {
			var err error
			for i := range next {
				s := w.Sampling
				s.Seed += uint64(i)
				r := umbra.Request{Prompt: w.Prompts[i%len(w.Prompts)], MaxTokens: tokens, Sampling: s, IgnoreEnd: true}
				if _, e := e.Generate(ctx, r, func(umbra.Chunk) error { return nil }); err == nil {
					err = e
				}
			}
			ended <- err
		}()
	}
	for i := range all {
		next <- i
	}
	close(next)
	var err error
	for range sequences {
		if e := <-ended; err == nil {
			err = e
		}
	}
	return float64(all*tokens) / time.Since(start).Seconds(), err
}

package umbra_test

import (
	"context"
	"crypto/sha1"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/model/gguf"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

// goFiles are Go files of the local distribution that the demonstration models were not trained on: one in fifty, by a hash
// of their names.
func goFiles(t testing.TB, most int) (texts []string) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("no Go distribution here: %v", err)
	}
	root := strings.TrimSpace(string(out))
	err = filepath.WalkDir(filepath.Join(root, "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || len(texts) == most {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		sum := sha1.Sum([]byte(filepath.ToSlash(name)))
		if new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), big.NewInt(50)).Sign() != 0 {
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil && len(text) >= 2000 && len(text) <= 150_000 && !strings.Contains(string(text[:600]), "DO NOT EDIT") {
			texts = append(texts, string(text))
		}
		return err
	})
	require.NoError(t, err)
	if len(texts) < most {
		t.Skipf("only %d Go files of %d", len(texts), most)
	}
	return texts
}

// TestSpeculationGreedy: with proposals of a draft model and of the text itself, one sequence at a time and eight, continuations of
// Go code are the same to the token.
func TestSpeculationGreedy(t *testing.T) {
	prompts, length := 9, 16
	if soak {
		prompts, length = 200, 24
	}
	plain := open(t, subject(), umbra.Options{Context: 512, Sequences: 8})
	var requests []umbra.Request
	for i, text := range goFiles(t, (prompts+2)/3) {
		for part := range 3 { // a beginning, the middle, and a long one
			from, n := []int{0, len(text) / 2, len(text) / 4}[part], []int{120, 200, 700}[part]
			requests = append(requests, umbra.Request{Prompt: strings.ToValidUTF8(text[from:from+n], ""), MaxTokens: length + i%5})
		}
	}
	requests = requests[:prompts]
	want := all(plain, requests)
	require.NoError(t, plain.Close())
	for _, c := range []struct {
		speculation umbra.Speculation
		sequences   int
		soak        bool
	}{
		{umbra.Speculation{By: umbra.ByDraft, Always: true}, 1, false},
		{umbra.Speculation{By: umbra.ByDraft, Always: true, Most: 3}, 8, false},
		{umbra.Speculation{By: umbra.ByDraft}, 1, true},
		{umbra.Speculation{By: umbra.ByDraft}, 8, true},
		{umbra.Speculation{By: umbra.ByText, Always: true}, 1, true},
		{umbra.Speculation{By: umbra.ByText, Always: true}, 8, false},
		{umbra.Speculation{By: umbra.ByText}, 1, false},
		{umbra.Speculation{By: umbra.ByText}, 8, true},
	} {
		if c.soak && !soak {
			continue
		}
		t.Run(fmt.Sprintf("%v at %d, always %v", c.speculation.By, c.sequences, c.speculation.Always), func(t *testing.T) {
			if c.speculation.By == umbra.ByDraft {
				c.speculation.Draft = draftModel(t)
			}
			e := open(t, subject(), umbra.Options{Context: 512, Sequences: c.sequences, Speculation: c.speculation,
				Warn: func(err error) { assert.NoError(t, err) }})
			for i, a := range all(e, requests) {
				require.NoError(t, a.err)
				require.Equal(t, want[i].tokens, a.tokens, "%q", requests[i].Prompt)
				require.Equal(t, want[i].text, a.text)
				require.Equal(t, want[i].Reason, a.Reason)
				require.Equal(t, want[i].Usage.Generated, a.Usage.Generated)
			}
			s := e.Speculated()
			t.Logf("%d tokens of %d turns, accepted %v of %v, %+v", s.Tokens, s.Turns, s.Accepted, s.Proposed, s.Times)
			if c.speculation.Always {
				require.NotZero(t, s.Accepted[0])
				require.Less(t, s.Accepted[0], s.Proposed[0])
				require.Greater(t, s.Tokens, s.Turns)
			}
		})
	}
}

// TestSpeculationCompany: with proposals, requests that are sampled without a choice, stop at texts, have several answers or beams, wait
// for blocks, and begin alike give what each gives without; keys and values go to the host and back.
func TestSpeculationCompany(t *testing.T) {
	const text = "package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(\"a\")\n\tfmt.Println(\"b\")\n\tfmt.Println(\"c\")\n\tfmt.Println(\"d\")\n"
	certain := sample.Params{Temperature: 1, TopP: 0, Seed: 3}
	requests := []umbra.Request{
		{Prompt: text, MaxTokens: 40},
		{Prompt: text + "\tfmt.Println(", MaxTokens: 40, Stop: []string{"Println(\"e", ")\n}"}},
		{Prompt: text, MaxTokens: 30, Sampling: certain},
		{Prompt: text[:60], MaxTokens: 30, Sampling: certain, N: 2},
		{Prompt: text[:40], MaxTokens: 12, Beams: 2, LengthPenalty: 1},
		{Prompt: text + "}\n\nfunc helper(", MaxTokens: 40, Sampling: sample.Params{Penalty: 1.2, PenaltyLast: 20}},
		{Prompt: text, MaxTokens: 24, N: 1, BestOf: 2, Sampling: certain},
		{Prompt: strings.Repeat("x = append(x, 1)\n", 20), MaxTokens: 60},
	}
	o := umbra.Options{Context: 256, Sequences: 6, BatchTokens: 48}
	want := all(open(t, subject(), o), requests)
	for _, c := range []struct {
		name        string
		speculation umbra.Speculation
		blocks      int
		preemption  scheduler.Preemption
	}{
		{"draft", umbra.Speculation{By: umbra.ByDraft, Always: true}, 0, scheduler.Recompute},
		{"draft, few blocks", umbra.Speculation{By: umbra.ByDraft, Always: true}, 26, scheduler.Recompute},
		{"text, few blocks, swapped", umbra.Speculation{By: umbra.ByText, Always: true, Texts: text}, 26, scheduler.Swap},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.speculation.By == umbra.ByDraft {
				c.speculation.Draft = draftModel(t)
			}
			o := o
			o.Speculation, o.Blocks, o.Preemption = c.speculation, c.blocks, c.preemption
			o.Warn = func(err error) { assert.NoError(t, err) }
			proposed := 0
			o.OnStep = func(r umbra.StepRecord) { proposed += r.Proposed }
			e := open(t, subject(), o)
			for i, a := range all(e, requests) {
				require.NoError(t, a.err)
				require.Equal(t, want[i].tokens, a.tokens, "request %d", i)
				require.Equal(t, want[i].Reason, a.Reason)
				for n, x := range a.Answers {
					require.InDelta(t, want[i].Answers[n].LogProb, x.LogProb, 1e-3)
				}
			}
			s := e.Speculated()
			require.NoError(t, e.Close())
			sum := 0
			for _, n := range s.Proposed {
				sum += n
			}
			assert.Equal(t, sum, proposed)
			assert.NotZero(t, s.Accepted[0])
			if soak || c.speculation.By == umbra.ByText { // a single layer seldom knows three tokens
				assert.NotZero(t, s.Accepted[2])
			}
		})
	}
}

// TestSpeculationSamples draws the same few tokens many times, with proposals of a draft model and without: at each position
// tokens come equally often.
func TestSpeculationSamples(t *testing.T) {
	const prompt, draws, length = "func main() {\n\tx.", 320, 4
	counts := func(o umbra.Options, first uint64) (seen [length]map[int32]int) {
		for i := range seen {
			seen[i] = map[int32]int{}
		}
		o.Context, o.Sequences = 64, 16
		e := open(t, draft, o)
		for seed := first; seed < first+draws; seed += 16 {
			at := make([]int, 16)
			_, err := e.Generate(context.Background(), umbra.Request{Prompt: prompt, MaxTokens: length, N: 16, IgnoreEnd: true,
				Sampling: sample.Params{Temperature: 1.2, TopK: 8, TopP: 0.95, Seed: seed}}, func(c umbra.Chunk) error {
				for _, id := range c.Tokens {
					seen[at[c.Answer]][id]++
					at[c.Answer]++
				}
				return nil
			})
			require.NoError(t, err)
		}
		if s := e.Speculated(); o.Speculation.By != umbra.NoProposals {
			require.NotZero(t, s.Accepted[1])
			require.Less(t, s.Accepted[0], s.Proposed[0])
		}
		return seen
	}
	want := counts(umbra.Options{}, 0)
	got := counts(umbra.Options{Speculation: umbra.Speculation{By: umbra.ByDraft, Draft: firstLayer(t), Most: 3, Always: true}}, 1_000_000)
	for i := range want {
		chi, freedom, n, m := 0.0, 0., draws, draws // n and m are those of rare tokens
		add := func(n, m int) {
			chi += float64((n-m)*(n-m)) / float64(n+m)
			freedom++
		}
		for id, x := range want[i] {
			if y := got[i][id]; x+y >= 16 {
				add(x, y)
				n, m = n-x, m-y
			}
		}
		if freedom--; n+m >= 16 {
			add(n, m)
		}
		// The 99.99 % point of chi-square (Wilson and Hilferty 1931).
		limit := freedom * math.Pow(1-2/(9*freedom)+3.72*math.Sqrt(2/(9*freedom)), 3)
		t.Logf("chi-square %.1f of %v degrees of freedom, at most %.1f", chi, freedom, limit)
		require.Greater(t, freedom, 2.)
		require.Less(t, chi, limit)
	}
}

// TestSpeculationRefuses: a draft model with other tokens is refused, with the first that differs.
func TestSpeculationRefuses(t *testing.T) {
	other, err := gguf.Open("testdata/oracle/arch/qwen2.gguf")
	require.NoError(t, err)
	defer other.Close()
	refused := func(s umbra.Speculation, want string) {
		t.Helper()
		e, err := umbra.Open(draft, umbra.Options{Context: 64, Sequences: 1, Speculation: s})
		if e != nil {
			e.Close()
		}
		require.ErrorContains(t, err, want)
	}
	open(t, draft, umbra.Options{Context: 64, Sequences: 1}) // or there is no adapter
	refused(umbra.Speculation{By: umbra.ByDraft}, "none is given")
	refused(umbra.Speculation{By: umbra.ByDraft, Draft: other}, "umbra: the draft model has 256 tokens, the model 8192")
	refused(umbra.Speculation{By: umbra.ByText, Most: 99}, "umbra: 99 proposals at once are asked for, want 1 to 15")
	refused(umbra.Speculation{By: 7}, "umbra: proposals by 7 are unknown")
}

package umbra_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/score"
	"umbra/model/tokenizer"
	"umbra/scheduler/batch"
)

// place is what a draft model makes of a token that the target has chosen.
type place struct {
	rank int     // how many tokens it holds to be likelier
	sure float64 // the probability of its likeliest
}

// TestTrees counts how many tokens a step gives by proposals in a chain and in trees, each row of either an equal cost, on the target's own continuations
// of Go code. What a tree of any shape gives is known without a run of it: the ranks of the target's tokens are a path in it, as far
// as it goes. See docs/performance.md.
func TestTrees(t *testing.T) {
	if !soak {
		t.Skip("minutes; UMBRA_SOAK=1 runs it")
	}
	const length, most, chain = 128, 3, 4
	var requests []umbra.Request
	for _, text := range goFiles(t, 24) {
		for part := range 2 {
			from := len(text) / 2 * part
			requests = append(requests, umbra.Request{Prompt: strings.ToValidUTF8(text[from:from+300], ""), MaxTokens: length})
		}
	}
	e := open(t, gopher, umbra.Options{Context: 512, Sequences: 8,
		Speculation: umbra.Speculation{By: umbra.ByDraft, Draft: draftModel(t), Always: true, Most: chain}})
	answers := all(e, requests)
	ran := e.Speculated()
	require.NoError(t, e.Close())

	source, err := gguf.Open(draft)
	require.NoError(t, err)
	defer source.Close()
	vocabulary, err := tokenizer.New(source)
	require.NoError(t, err)
	var windows []score.Window
	for i, a := range answers {
		require.NoError(t, a.err)
		prompt := vocabulary.Encode(requests[i].Prompt, tokenizer.EncodeOptions{AddSpecial: true})
		windows = append(windows, score.Window{Tokens: append(prompt, a.tokens...), First: len(prompt)})
	}
	texts := ranks(t, source, windows)
	places := 0
	var chosen [most]int
	for _, text := range texts {
		places += len(text)
		for _, p := range text {
			if p.rank < most {
				chosen[p.rank]++
			}
		}
	}
	t.Logf("%d places; the target's token is the draft's first, second, third choice: %v", places, func() (s []string) {
		for _, n := range chosen {
			s = append(s, fmt.Sprintf("%.1f %%", 100*float64(n)/float64(places)))
		}
		return s
	}())

	// The count of a chain is what steps really gave.
	counted := steps(texts, static(row(chain)))
	assert.InEpsilon(t, float64(ran.Tokens)/float64(ran.Turns), counted.tokens, 0.03)
	t.Logf("a chain of %d: %.3f tokens a step counted, %.3f in %d steps of an engine", chain, counted.tokens, float64(ran.Tokens)/float64(ran.Turns), ran.Turns)

	for _, rows := range []float64{2, 3, 4, 5, 7} {
		n := int(rows)
		tree := best(texts, n, most)
		t.Logf("%d proposals: chain %.3f tokens a step, best tree %.3f (%s)", n, steps(texts, static(row(n))).tokens, steps(texts, static(tree)).tokens,
			strings.Join(slices.Sorted(maps.Keys(tree)), " "))
		c := byRows(texts, rows, func(limit float64) shape { return sureChain(limit, false) })
		b := byRows(texts, rows, func(limit float64) shape { return sureChain(limit, true) })
		t.Logf("   %.1f proposals by how sure the draft is: chain %.3f, with the second choice where the first is likelier wrong %.3f", c.rows, c.tokens, b.tokens)
	}
}

// ranks asks a draft model about windows' scored tokens.
func ranks(t *testing.T, src model.Source, windows []score.Window) [][]place {
	d := gputest.Device(t)
	longest := 0
	for _, w := range windows {
		longest = max(longest, len(w.Tokens))
	}
	o, err := score.Sizes(src, longest, 0, d.Limits())
	require.NoError(t, err)
	m, err := model.New(d, src, o)
	require.NoError(t, err)
	defer m.Release()
	texts := make(map[*int32][]place)
	require.NoError(t, score.Run(context.Background(), m, windows, batch.WantLogits, func(w score.Window, at int, out []batch.Output) error {
		for i, o := range out {
			var p place
			sum, token := 0.0, w.Tokens[at+i]
			for id, l := range o.Logits {
				sum += math.Exp(float64(l - o.Logits[o.Token]))
				if l > o.Logits[token] || l == o.Logits[token] && int32(id) < token {
					p.rank++
				}
			}
			p.sure = 1 / sum
			texts[&w.Tokens[0]] = append(texts[&w.Tokens[0]], p)
		}
		return nil
	}))
	return slices.Collect(maps.Values(texts))
}

// shape is the tree of a step that begins at a place of a text: how many rows it takes, and how many of the text's next tokens are in it.
type shape func(text []place) (rows, deep int)

// path names a node: the ranks that lead to it.
func path(ranks []int) string { return fmt.Sprint(ranks) }

// row is the tree of n first choices.
func row(n int) map[string]bool {
	tree := map[string]bool{}
	for i := range n {
		tree[path(make([]int, i+1))] = true
	}
	return tree
}

// static is a tree that is the same in all steps.
func static(tree map[string]bool) shape {
	return func(text []place) (rows, deep int) {
		var ranks []int
		for _, p := range text {
			if ranks = append(ranks, p.rank); !tree[path(ranks)] {
				break
			}
			deep++
		}
		return len(tree), deep
	}
}

// best is the tree of n nodes that gives most, in these texts: each node gives as many tokens as there are places that it holds for, and a node holds
// for no more places than its parent.
func best(texts [][]place, n, most int) map[string]bool {
	count := map[string]int{}
	for _, text := range texts {
		for i := range text {
			var ranks []int
			for _, p := range text[i:min(len(text), i+n)] {
				if p.rank >= most {
					break
				}
				ranks = append(ranks, p.rank)
				count[path(ranks)]++
			}
		}
	}
	nodes := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	tree := map[string]bool{}
	for _, node := range nodes[:n] {
		tree[node] = true
	}
	return tree
}

// sureChain is a chain that goes on while all its tokens are likely enough to come true together. With seconds, a place has its second choice
// too, with nothing behind it, where that is as likely; it is taken to come true in half of the cases in which the first does not.
func sureChain(limit float64, seconds bool) shape {
	return func(text []place) (rows, deep int) {
		chance, alive := 1.0, true
		for i := 0; i < 15 && i < len(text); i++ {
			// Beyond a wrong choice the draft would have gone on along it; how sure it is there is taken to be as here.
			p := text[i]
			chance *= p.sure
			if chance < limit {
				break
			}
			rows++
			doubtful := seconds && chance/p.sure*(1-p.sure)*0.5 >= limit
			if doubtful {
				rows++
			}
			switch {
			case alive && p.rank == 0:
				deep++
			case alive && p.rank == 1 && doubtful:
				deep++
				alive = false
			default:
				alive = false
			}
		}
		return rows, deep
	}
}

// counted is the mean of steps.
type counted struct{ rows, tokens float64 }

// steps walks texts by steps of a shape.
func steps(texts [][]place, s shape) (c counted) {
	n := 0.0
	for _, text := range texts {
		for len(text) > 0 {
			rows, deep := s(text)
			n++
			c.rows += float64(rows)
			gained := min(len(text), deep+1)
			c.tokens += float64(gained)
			text = text[gained:]
		}
	}
	return counted{c.rows / n, c.tokens / n}
}

// byRows finds the limit by which steps have so many rows in the mean.
func byRows(texts [][]place, rows float64, by func(limit float64) shape) (c counted) {
	low, high := 0.0, 1.0
	for range 30 {
		middle := (low + high) / 2
		if c = steps(texts, by(middle)); c.rows > rows {
			low = middle
		} else {
			high = middle
		}
	}
	return c
}

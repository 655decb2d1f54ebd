package serve

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Load says which requests arrive, and when.
type Load struct {
	Requests       int
	Rate           Rate
	Prompt, Output Lengths
	Shared         int // tokens that all prompts begin with, before those of Prompt
	Seed           uint64
}

// Item is one request of a load.
type Item struct {
	Arrive time.Duration // since the start
	Prompt []int32
	Output int // tokens to generate
}

// Items draws the requests, in the order they arrive. None is longer than limit tokens, prompt and output together:
// prompts are cut at 3/4 of it, outputs at what remains. Arrivals, lengths and ids are drawn each on their own, so that
// another rate leaves lengths as they were.
func (l Load) Items(limit, vocabulary int) ([]Item, error) {
	if l.Shared+2 > limit {
		return nil, fmt.Errorf("a shared prefix of %d tokens leaves no room in %d tokens of context and KV memory; shorten it to at most %d",
			l.Shared, limit, limit-2)
	}
	arrivals, lengths, ids := rand.New(rand.NewPCG(l.Seed, 1)), rand.New(rand.NewPCG(l.Seed, 2)), rand.New(rand.NewPCG(l.Seed, 3))
	shared := make([]int32, l.Shared)
	for i := range shared {
		shared[i] = ids.Int32N(int32(vocabulary))
	}
	longest := min(max(limit*3/4, l.Shared+1), limit-1)
	items := make([]Item, l.Requests)
	at := 0.0 // seconds
	for i := range items {
		if i > 0 && !math.IsInf(float64(l.Rate), 1) {
			at += arrivals.ExpFloat64() / float64(l.Rate)
		}
		prompt := min(l.Shared+l.Prompt.draw(lengths), longest)
		item := Item{Arrive: time.Duration(at * float64(time.Second)), Prompt: append(make([]int32, 0, prompt), shared...)}
		for len(item.Prompt) < prompt {
			item.Prompt = append(item.Prompt, ids.Int32N(int32(vocabulary)))
		}
		item.Output = min(l.Output.draw(lengths), limit-prompt)
		items[i] = item
	}
	return items, nil
}

// Rate is a mean number of arrivals a second, of a Poisson process; infinite, "inf", is all at once.
type Rate float64

// UnmarshalText reads a positive number or "inf".
func (r *Rate) UnmarshalText(text []byte) error {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(v > 1e-6) {
		return fmt.Errorf("%q is not a rate; give requests per second, or inf for all at once", text)
	}
	*r = Rate(v)
	return nil
}

// String is the text form.
func (r Rate) String() string {
	if math.IsInf(float64(r), 1) {
		return "inf"
	}
	return strconv.FormatFloat(float64(r), 'g', -1, 64)
}

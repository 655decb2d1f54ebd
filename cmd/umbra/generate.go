package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"umbra"
	"umbra/cmd/umbra/internal/term"
	"umbra/scheduler"
)

// one streams the continuation of one prompt.
func (r *runCommand) one(ctx context.Context, c *console, engine *umbra.Engine, q umbra.Request) error {
	if r.Echo {
		if _, err := io.WriteString(c.out, q.Prompt); err != nil {
			return err
		}
	}
	last := q.Prompt // what was written last, for the cursor's sake
	var tokens []int32
	var start firstToken
	result, err := engine.Generate(ctx, q, func(chunk umbra.Chunk) error {
		if r.Verbose && start.at.IsZero() {
			start = firstToken{chunk.At, engine.Info()}
		}
		tokens = append(tokens, chunk.Tokens...)
		if chunk.Text != "" {
			last = chunk.Text
		}
		_, err := io.WriteString(c.out, chunk.Text)
		return err
	})
	if term.IsTerminal(c.out) && !strings.HasSuffix(last, "\n") {
		fmt.Fprintln(c.out)
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	if !start.at.IsZero() {
		c.say("%s", start.text(began, result.Prefill))
	}
	c.say("%s: %s%s", engine.Info().Adapters(), statistics(result), r.seedText())
	if err := r.saveSession(c, engine, q.Prompt, tokens); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

// An answer is the continuation of one of many prompts.
type answer struct {
	text    strings.Builder
	result  umbra.Result
	err     error
	skipped bool          // not begun: interrupted before its turn
	done    chan struct{} // closed when the rest is final
}

// many answers prompts, some at once, and writes the answers in the prompts' order, each as soon as those before it
// are written. One that fails does not stop the others. They are begun in that order too, unless priorities say otherwise.
func (r *runCommand) many(ctx context.Context, c *console, engine *umbra.Engine, prompts []prompt, form umbra.Request) error {
	ctx, cancel := context.WithCancel(ctx)
	start := time.Now()
	answers := make([]*answer, len(prompts))
	for i := range answers {
		answers[i] = &answer{done: make(chan struct{})}
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(r.atOnce(), len(prompts)) {
		workers.Go(func() {
			for i := range next {
				q := prompts[i].of(form)
				q.Sampling.Seed += uint64(i)
				answers[i].generate(ctx, engine, q)
			}
		})
	}
	go func() {
		for _, i := range r.order(prompts) {
			next <- i
		}
		close(next)
	}()
	defer workers.Wait()
	defer cancel() // before the wait: if answers cannot be written, the rest is not worth waiting for

	var total scheduler.Usage
	failed := 0
	for i, a := range answers {
		<-a.done
		total.Prompt += a.result.Usage.Prompt
		total.Generated += a.result.Usage.Generated
		if a.skipped {
			continue
		}
		if a.err != nil {
			failed++
		}
		if err := r.writeAnswer(c, i, prompts, a); err != nil {
			return err
		}
	}
	spent := time.Since(start).Seconds()
	c.say("%s: %s, %d at once: %s and %s generated in %.2f s, %s tok/s generated%s", engine.Info().Adapters(),
		plural(len(prompts), "prompt"), min(r.atOnce(), len(prompts)), plural(total.Prompt, "prompt token"),
		plural(total.Generated, "token"), spent, term.Rate(total.Generated, spent), r.seedText())
	if ctx.Err() != nil {
		return errInterrupted
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed, for the reasons given above", failed, plural(len(prompts), "prompt"))
	}
	return nil
}

// generate fills the answer in.
func (a *answer) generate(ctx context.Context, engine *umbra.Engine, q umbra.Request) {
	defer close(a.done)
	if a.skipped = ctx.Err() != nil; a.skipped {
		return
	}
	a.result, a.err = engine.Generate(ctx, q, func(chunk umbra.Chunk) error {
		a.text.WriteString(chunk.Text)
		return nil
	})
	if errors.Is(a.err, context.Canceled) {
		a.result.Reason, a.err = scheduler.Cancelled, nil
	}
}

// writeAnswer writes one of many answers below a line that says which it is and why it ended.
func (r *runCommand) writeAnswer(c *console, i int, prompts []prompt, a *answer) error {
	const shown = 40 // characters of the prompt
	begin, dots := []rune(prompts[i].text), ""
	if len(begin) > shown {
		begin, dots = begin[:shown], "..."
	}
	end := a.result.Reason.String()
	if a.err != nil {
		end = trimPrefix(a.err.Error())
	}
	text := a.text.String()
	if r.Echo {
		text = prompts[i].text + text
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	_, err := fmt.Fprintf(c.out, "=== %d of %d: %s%s (%s, %s)\n%s", i+1, len(prompts), strconv.Quote(string(begin)), dots,
		plural(a.result.Usage.Generated, "token"), end, text)
	return err
}

// statistics says how many tokens were computed, how fast, and why generation ended.
func statistics(r umbra.Result) string {
	cached := ""
	if r.Usage.Cached > 0 {
		cached = fmt.Sprintf(" (%d cached)", r.Usage.Cached)
	}
	return fmt.Sprintf("prefill %s%s, %s tok/s; decode %s, %s tok/s; %s",
		plural(r.Usage.Prompt, "token"), cached, term.Rate(r.Usage.Prompt-r.Usage.Cached, r.Prefill.Seconds()),
		plural(r.Usage.Generated, "token"), term.Rate(r.Usage.Generated-1, r.Decode.Seconds()), // prefill gives the first
		r.Reason)
}

// seedText names the seed, where there is one.
func (r *runCommand) seedText() string {
	if r.Seed == nil {
		return ""
	}
	return fmt.Sprintf("; seed %d", *r.Seed)
}

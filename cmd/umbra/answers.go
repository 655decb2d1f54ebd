package main

import (
	"context"
	"fmt"
	"strings"

	"umbra"
)

// answers makes several answers of one prompt and writes each whole, in order, below a line that names it.
func (r *runCommand) answers(ctx context.Context, c *console, engine *umbra.Engine, q umbra.Request) error {
	q.N, q.BestOf = r.Answers, r.BestOf
	q.Beams, q.LengthPenalty, q.EarlyStopping = r.Beams, r.LengthPenalty, r.EarlyStopping
	texts := make([]strings.Builder, r.Answers)
	result, err := engine.Generate(ctx, q, func(chunk umbra.Chunk) error {
		texts[chunk.Answer].WriteString(chunk.Text)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return err
	}
	generated := 0
	for i, a := range result.Answers {
		generated += a.Usage.Generated
		text, likely := texts[i].String(), ""
		switch {
		case r.Beams > 0:
			likely = fmt.Sprintf(", log-probability %.2f, score %.3f", a.LogProb, a.Score)
		case r.BestOf > r.Answers:
			likely = fmt.Sprintf(", log-probability %.2f", a.LogProb)
		}
		if r.Echo {
			text = q.Prompt + text
		}
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if _, err := fmt.Fprintf(c.out, "=== answer %d of %d (%s, %s%s)\n%s", i+1, r.Answers, plural(a.Usage.Generated, "token"), a.Reason, likely, text); err != nil {
			return err
		}
	}
	spent := (result.Prefill + result.Decode).Seconds()
	c.say("%s: %s of %d: %s, %s generated in %.2f s%s", engine.Info().Adapters(), plural(r.Answers, "answer"), max(r.Answers, r.BestOf, r.Beams),
		plural(result.Usage.Prompt, "prompt token"), plural(generated, "token"), spent, r.seedText())
	if ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"strings"

	"umbra"
	"umbra/cmd/umbra/internal/term"
)

// answers makes several answers of one prompt and writes each whole, in order, below a line that names it.
func (r *runCommand) answers(ctx context.Context, c *console, engine *umbra.Engine, q umbra.Request) error {
	q.N, q.BestOf = r.Answers, r.BestOf
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
		if r.BestOf > r.Answers {
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
	made := max(r.Answers, r.BestOf)
	r.say(c, "%s: %s of %s: prefill %s, %s tok/s; decode %s, %s tok/s%s", engine.Info().Adapter.Name, plural(r.Answers, "answer"),
		fmt.Sprint(made), plural(result.Usage.Prompt, "token"), term.Rate(result.Usage.Prompt-result.Usage.Cached, result.Prefill.Seconds()),
		plural(generated, "token"), term.Rate(generated-r.Answers, result.Decode.Seconds()), r.seedText())
	if ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

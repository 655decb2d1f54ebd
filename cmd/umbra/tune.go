package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/model"
	"umbra/shaders"
	"umbra/shaders/tuned"
)

// tuneCommand measures which kernels an adapter is fastest with, and keeps that for other commands.
type tuneCommand struct {
	adapterFlag
	modelFlags
	Rows   []int `default:"1,2,4,8,16,32,64,128,512" placeholder:"N" help:"Numbers of token rows to measure (${default}); each stands for all of its class: 1, 2, 3-4, 5-8, 9-16, 17-32, 33-64, 65-240, 241+."`
	DryRun bool  `help:"Measure, but write nothing."`
}

func (tuneCommand) Help() string {
	return `Times the products of a model's layers with the default kernel and a handful of others, over random
weights that no cache holds, and keeps the fastest for this adapter and driver in the user's cache
folder. A kernel is kept in the default's place if it is at least 3 % faster and its results are the
same within the kernels' tolerance. Choices of other products and rows that are there already stay.
run and bench use what is there, for any model with the same products; UMBRA_TUNE=off has them use
the defaults. A new driver, or a version of umbra with other kernels, makes it void.
Adapters of kind cpu have one kernel for each product, and nothing to choose.

Examples:
  umbra tune -m model.gguf
  umbra tune --shape llama3.1-8b --type q4_0
  umbra tune --rows 1,16 --dry-run`
}

// Validate refuses what parsing alone cannot.
func (t tuneCommand) Validate() error {
	const most = 4096
	for _, r := range t.Rows {
		if r < 1 || r > most {
			return fmt.Errorf("--rows %d is outside 1..%d", r, most)
		}
	}
	return nil
}

func (t tuneCommand) Run(c *console) error {
	source, name, done, err := t.source()
	if err != nil {
		return err
	}
	defer done()
	device, err := gpu.Open(t.device())
	if err != nil {
		return err
	}
	defer device.Release()
	c.say("%s", chosen(device.Verdicts()))
	if shaders.TuningFor(device.Info()).Narrow {
		fmt.Fprintf(c.out, "nothing to choose: kernels for adapters of kind %v have one shape\n", device.Info().Kind)
		return nil
	}
	plan, err := model.PlanFor(source, model.Options{}, device.Limits())
	if err != nil {
		return err
	}
	products := plan.Products()
	c.say("%s: %s", strings.TrimSpace(name+" "+t.typeName()), plural(len(products), "product"))
	choices := t.started(c, device.Info())
	ctx, stop := untilInterrupted()
	defer stop()
	tuner, err := shaders.NewTuner(device)
	if err != nil {
		return err
	}
	defer tuner.Release()
	start := time.Now()
	table, rejected, err := t.measure(ctx, c, tuner, products, choices)
	if err != nil {
		return err
	}
	if _, err := table.WriteTo(c.out); err != nil {
		return err
	}
	for _, r := range rejected {
		c.say("left out: %s", r)
	}
	all, others := choices.Count()
	summary := fmt.Sprintf("%s, of which %d not the default, in %.0f s", plural(all, "choice"), others, time.Since(start).Seconds())
	if t.DryRun {
		c.say("%s; nothing is written", summary)
		return nil
	}
	path, err := tuned.Save(device.Info(), choices)
	if err != nil {
		return err
	}
	c.say("%s: %s", summary, path)
	return nil
}

// started are the choices to add to: those of other products and rows that are there, if they are still good.
func (tuneCommand) started(c *console, info gpu.AdapterInfo) shaders.Choices {
	choices, _, err := tuned.Load(info)
	if err != nil {
		c.warn("%v", err)
	}
	if choices == nil {
		choices = shaders.Choices{}
	}
	return choices
}

// headRows is how many rows of logits are worth measuring: each sequence of a step wants one.
const headRows = 64

// measure puts down a choice for each product and number of rows, and a row of a table. rejected are kernels that gave other results, or none.
func (t tuneCommand) measure(ctx context.Context, c *console, tuner *shaders.Tuner, products []shaders.LinearShape, choices shaders.Choices) (table *term.Table, rejected []string, err error) {
	table = term.NewTable("product", ">rows", ">default", "kernel", ">best", "kernel", ">gain")
	for i, s := range products {
		rows := slices.DeleteFunc(slices.Clone(t.Rows), func(r int) bool { return s.Outputs && r > headRows })
		if len(rows) == 0 {
			continue
		}
		c.say("%d of %d: %s", i+1, len(products), s.Product())
		err := tuner.Linear(s, rows, func(m shaders.Measured) error {
			choices.Set(m.Product, m.Class, m.Choice())
			best, took, gain := "", "", ""
			if m.Choice() != shaders.DefaultKernel {
				best, took, gain = m.Best, micros(m.BestTime), fmt.Sprintf("%.0f %%", 100*(1-m.BestTime.Seconds()/m.DefaultTime.Seconds()))
			}
			table.Row(m.Product, fmt.Sprint(m.Rows), micros(m.DefaultTime), m.Default, took, best, gain)
			for _, r := range m.Rejected {
				rejected = append(rejected, fmt.Sprintf("%s, %s: %s", m.Product, plural(m.Rows, "row"), r))
			}
			if ctx.Err() != nil {
				return errInterrupted
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return table, rejected, nil
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f µs", d.Seconds()*1e6) }

package main

import (
	"fmt"

	"umbra"
	"umbra/gpu"
	"umbra/shaders"
	"umbra/shaders/tuned"
)

// tuningOf is how kernels are shaped for an adapter, with how many choices of umbra tune. It says so, and which file it could not take.
func tuningOf(c *console, info gpu.AdapterInfo) (shaders.Tuning, int) {
	t, path, err := tuned.For(info)
	if err != nil {
		c.warn("%v", err)
	}
	all, others := t.Choices.Count()
	if path != "" {
		c.say("%s", tunedText(umbra.Tuned{Path: path, Choices: all, Others: others}))
	}
	return t, all
}

func tunedText(t umbra.Tuned) string {
	return fmt.Sprintf("tuned: %s from %s, of which %d not the default", plural(t.Choices, "choice"), t.Path, t.Others)
}

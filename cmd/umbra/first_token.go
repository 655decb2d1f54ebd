package main

import (
	"fmt"
	"time"

	"umbra"
)

// began is when the program did, some 20 ms after its process: Go and what it links come first.
var began = time.Now()

// firstToken is when a request's first token came, and how the engine was then.
type firstToken struct {
	at     time.Time
	engine umbra.Info
}

// text says what the token waited for since the program began; request is how long its request took to give it.
func (f firstToken) text(began time.Time, request time.Duration) string {
	o, k := f.engine.Opened, f.engine.Compiled
	return fmt.Sprintf("first token %.2f s after the start: adapter %.2f s, weights %.2f s, request %.2f s; within these, %s: read in %.2f s, compiled in %.2f s",
		f.at.Sub(began).Seconds(), o.Device.Seconds(), o.Model.Seconds(), request.Seconds(), plural(k.Kernels, "kernel"),
		k.Read.Seconds(), k.Driver.Seconds())
}

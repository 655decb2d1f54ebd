// Package serve measures an engine, or the scheduler before a cost model, under the load of a server: requests that
// arrive at random, with prompts and outputs of random lengths, each known in advance by a seed.
package serve

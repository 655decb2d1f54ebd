package main

import (
	"context"
	"os"
	"os/signal"
)

// untilInterrupted returns a context that ends with the first interrupt (Ctrl-C). A second interrupt kills the program,
// as it would have without.
func untilInterrupted() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

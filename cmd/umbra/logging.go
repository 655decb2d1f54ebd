package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// logFlags say what goes to standard error, and how. They are every command's.
type logFlags struct {
	LogFormat string `enum:"text,json,none" default:"text" help:"What is said on standard error: text, json (an object a line) or none, but for the error that ends the program (${default})."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"What is said at least: debug, info, warn or error (${default}). -q is error."`
}

// apply has the console log so.
func (f logFlags) apply(c *console) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		panic(err) // kong lets nothing else through
	}
	c.level.Set(level)
	o := &slog.HandlerOptions{Level: &c.level}
	switch f.LogFormat {
	case "json":
		c.log = slog.New(slog.NewJSONHandler(c.err, o))
	case "none":
		c.log = slog.New(slog.DiscardHandler)
	default:
		w := &serial{w: c.err}
		c.log = slog.New(plain{slog.NewTextHandler(w, o), w})
	}
	c.bars = c.err
	if f.LogFormat != "text" || level > slog.LevelInfo {
		c.bars = io.Discard
	}
}

// say tells of what happens, on standard error.
func (c *console) say(format string, args ...any) { c.log.Info(fmt.Sprintf(format, args...)) }

// warn tells of what is not as it should be.
func (c *console) warn(format string, args ...any) { c.log.Warn(fmt.Sprintf(format, args...)) }

// fatal tells why the program ends, whatever the flags say.
func (c *console) fatal(message string) {
	if c.log.Handler() == slog.DiscardHandler {
		fmt.Fprintf(c.err, "umbra: %s\n", message)
		return
	}
	c.log.Error(message)
}

// hush leaves all out but errors.
func (c *console) hush() {
	c.level.Set(slog.LevelError)
	c.bars = io.Discard
}

// plain writes messages as people read them, "umbra: message", and records with fields as slog's text.
type plain struct {
	slog.Handler
	w io.Writer
}

func (p plain) Handle(ctx context.Context, r slog.Record) error {
	if r.NumAttrs() > 0 {
		return p.Handler.Handle(ctx, r)
	}
	_, err := fmt.Fprintf(p.w, "umbra: %s\n", r.Message)
	return err
}

// serial lets one write at a time through.
type serial struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *serial) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

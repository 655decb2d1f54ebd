package main

import (
	"errors"
	"io/fs"
	"os"

	"umbra"
	"umbra/model/tokenizer"
)

// loadSession puts the session file's keys and values in the cache, if there is such a file yet.
func (r *runCommand) loadSession(c *console, engine *umbra.Engine) error {
	if r.Session == "" {
		return nil
	}
	if _, err := os.Stat(r.Session); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	tokens, err := engine.LoadSession(r.Session)
	if err != nil {
		return err
	}
	c.say("session %s: %s", r.Session, plural(len(tokens), "token"))
	return nil
}

// saveSession writes the keys and values of the prompt and its continuation to the session file.
func (r *runCommand) saveSession(c *console, engine *umbra.Engine, prompt string, continuation []int32) error {
	if r.Session == "" {
		return nil
	}
	tokens := engine.Tokenizer().Encode(prompt, tokenizer.EncodeOptions{AddSpecial: true, ParseSpecial: true})
	saved, err := engine.SaveSession(r.Session, append(tokens, continuation...))
	if err != nil {
		return err
	}
	c.say("session %s: %s saved", r.Session, plural(saved, "token"))
	return nil
}

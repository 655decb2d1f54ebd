package main

import (
	"errors"
	"fmt"
	"os"

	"umbra"
	"umbra/scheduler/grammar"
)

// heldFlags say what form answers are held to.
type heldFlags struct {
	Grammar     string `group:"Form of answers" placeholder:"TEXT" help:"Hold answers to a grammar in GBNF, llama.cpp's form of BNF: 'root ::= \"yes\" | \"no\"', say."`
	GrammarFile string `group:"Form of answers" placeholder:"FILE" help:"Read the grammar from a file."`
}

// hold adds the form to a request, having read it and tried what can be without a model.
func (h heldFlags) hold(r *umbra.Request) error {
	if h.Grammar != "" && h.GrammarFile != "" {
		return errors.New("--grammar and --grammar-file exclude each other")
	}
	r.Grammar = h.Grammar
	if h.GrammarFile != "" {
		text, err := os.ReadFile(h.GrammarFile)
		if err != nil {
			return fmt.Errorf("--grammar-file: %w", err)
		}
		r.Grammar = string(text)
	}
	if h.Grammar != "" || h.GrammarFile != "" {
		_, err := grammar.Parse(r.Grammar)
		return err
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"os"

	"umbra"
	"umbra/scheduler/grammar"
	"umbra/scheduler/grammar/jsonschema"
)

// heldFlags say what form answers are held to.
type heldFlags struct {
	Grammar        string `group:"Form of answers" placeholder:"TEXT" help:"Hold answers to a grammar in GBNF, llama.cpp's form of BNF: 'root ::= \"yes\" | \"no\"', say."`
	GrammarFile    string `group:"Form of answers" placeholder:"FILE" help:"Read the grammar from a file."`
	JSONSchema     string `name:"json-schema" group:"Form of answers" placeholder:"TEXT" help:"Have answers be JSON that a schema takes; {} takes any. What cannot be held to is refused by name."`
	JSONSchemaFile string `name:"json-schema-file" group:"Form of answers" placeholder:"FILE" help:"Read the schema from a file."`
}

// given are those of the flags that are there.
func (h heldFlags) given() (all []string) {
	for _, f := range []string{h.Grammar, h.GrammarFile, h.JSONSchema, h.JSONSchemaFile} {
		if f != "" {
			all = append(all, f)
		}
	}
	return all
}

// hold adds the form to a request, having read it and tried what can be without a model.
func (h heldFlags) hold(r *umbra.Request) (err error) {
	if len(h.given()) > 1 {
		return errors.New("--grammar, --grammar-file, --json-schema and --json-schema-file exclude each other")
	}
	if r.Grammar, err = textOf("--grammar-file", h.Grammar, h.GrammarFile); err != nil {
		return err
	}
	if r.JSONSchema, err = textOf("--json-schema-file", h.JSONSchema, h.JSONSchemaFile); err != nil {
		return err
	}
	switch {
	case h.Grammar != "" || h.GrammarFile != "":
		_, err = grammar.Parse(r.Grammar)
	case h.JSONSchema != "" || h.JSONSchemaFile != "":
		_, err = jsonschema.Rules([]byte(r.JSONSchema))
	}
	return err
}

// textOf is a text that is given, or that of a file that a flag names.
func textOf(flag, text, path string) (string, error) {
	if path == "" {
		return text, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	return string(data), nil
}

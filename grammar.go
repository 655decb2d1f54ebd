package umbra

import (
	"errors"
	"sync"

	"umbra/model/tokenizer"
	"umbra/scheduler/grammar"
	"umbra/scheduler/grammar/jsonschema"
)

// grammars keeps the grammars of recent requests, ready for the model's vocabulary, with what has been found out of them.
type grammars struct {
	mu         sync.Mutex
	vocabulary *grammar.Vocabulary // nil until the first grammar
	ready      map[string]*grammar.Grammar
}

// maxGrammars is how many are kept; each may take some ten megabytes.
const maxGrammars = 8

// grammar makes a request's grammar ready, or that of its schema or its calls; nil for none. It fails with a *grammar.Error.
func (e *Engine) grammar(r Request) (*grammar.Grammar, error) {
	source, schema, calls := r.Grammar, r.JSONSchema, r.Calls
	switch {
	case source == "" && schema == "" && calls == nil:
		return nil, nil
	case source != "" && schema != "", calls != nil && (source != "" || schema != ""):
		return nil, errors.New("umbra: an answer is held to a grammar, to a JSON schema or to calls of tools, and not to several")
	}
	if e.tokens == nil {
		return nil, errors.New("umbra: a grammar needs a tokenizer, and the model has none")
	}
	key, read := source, func() (grammar.Rules, error) { return grammar.Parse(source) }
	switch {
	case calls != nil:
		key, read = calls.key, func() (grammar.Rules, error) { return calls.rules, nil }
	case schema != "":
		key, read = "json schema\x00"+schema, func() (grammar.Rules, error) { return jsonschema.Rules([]byte(schema)) }
	}
	k := &e.grammars
	k.mu.Lock()
	defer k.mu.Unlock()
	if g := k.ready[key]; g != nil {
		return g, nil
	}
	rules, err := read()
	if err != nil {
		return nil, err
	}
	if k.vocabulary == nil {
		k.vocabulary = grammar.NewVocabulary(e.tokens.Size(), e.spelling())
	}
	g, err := grammar.Compile(rules, k.vocabulary)
	if err != nil {
		return nil, err
	}
	if k.ready == nil || len(k.ready) >= maxGrammars {
		k.ready = map[string]*grammar.Grammar{}
	}
	k.ready[key] = g
	return g, nil
}

// spelling gives a token's bytes for grammars: none of those that end a text and of special tokens, but for marks of calls.
func (e *Engine) spelling() func(id int32) []byte {
	piece := e.pieces()
	return func(id int32) []byte {
		if e.tokens.EOG(id) || e.tokens.Kind(id) == tokenizer.KindUnused {
			return nil
		}
		return piece(id)
	}
}

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

// grammar makes a request's grammar ready, or that of its schema; nil for neither. It fails with a *grammar.Error.
func (e *Engine) grammar(source, schema string) (*grammar.Grammar, error) {
	switch {
	case source == "" && schema == "":
		return nil, nil
	case source != "" && schema != "":
		return nil, errors.New("umbra: an answer is held to a grammar or to a JSON schema, not both")
	}
	if e.tokens == nil {
		return nil, errors.New("umbra: a grammar needs a tokenizer, and the model has none")
	}
	var rules grammar.Rules
	var err error
	key := source
	if schema != "" {
		key = "json schema\x00" + schema
		rules, err = jsonschema.Rules([]byte(schema))
	} else {
		rules, err = grammar.Parse(source)
	}
	if err != nil {
		return nil, err
	}
	k := &e.grammars
	k.mu.Lock()
	defer k.mu.Unlock()
	if g := k.ready[key]; g != nil {
		return g, nil
	}
	if k.vocabulary == nil {
		k.vocabulary = grammar.NewVocabulary(e.tokens.Size(), e.spelling)
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

// spelling is a token's bytes for grammars: none of special tokens and of those that end a text.
func (e *Engine) spelling(id int32) []byte {
	if e.tokens.EOG(id) || e.tokens.Kind(id) == tokenizer.KindUnused {
		return nil
	}
	return e.tokens.Piece(id)
}

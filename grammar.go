package umbra

import (
	"errors"
	"sync"

	"umbra/model/tokenizer"
	"umbra/scheduler/grammar"
)

// grammars keeps the grammars of recent requests, ready for the model's vocabulary, with what has been found out of them.
type grammars struct {
	mu         sync.Mutex
	vocabulary *grammar.Vocabulary // nil until the first grammar
	ready      map[string]*grammar.Grammar
}

// maxGrammars is how many are kept; each may take some ten megabytes.
const maxGrammars = 8

// grammar makes a request's grammar ready; nil for "". It fails with a *grammar.Error.
func (e *Engine) grammar(source string) (*grammar.Grammar, error) {
	if source == "" {
		return nil, nil
	}
	if e.tokens == nil {
		return nil, errors.New("umbra: a grammar needs a tokenizer, and the model has none")
	}
	rules, err := grammar.Parse(source)
	if err != nil {
		return nil, err
	}
	k := &e.grammars
	k.mu.Lock()
	defer k.mu.Unlock()
	if g := k.ready[source]; g != nil {
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
	k.ready[source] = g
	return g, nil
}

// spelling is a token's bytes for grammars: none of special tokens and of those that end a text.
func (e *Engine) spelling(id int32) []byte {
	if e.tokens.EOG(id) || e.tokens.Kind(id) == tokenizer.KindUnused {
		return nil
	}
	return e.tokens.Piece(id)
}

//go:build !noembed

// Package testdata holds the demonstration model and its draft model, embedded so that umbra runs without any file. The build tag
// noembed leaves them out.
package testdata

import _ "embed"

//go:embed gopher-28m-q8_0.gguf
var gopher []byte

//go:embed gopher-draft-4m-q8_0.gguf
var draft []byte

// Gopher returns the embedded gopher-28m model, a GGUF file; nil if it was left out. It completes Go source text.
func Gopher() []byte { return gopher }

// GopherDraft returns the embedded gopher-draft-4m model, a GGUF file; nil if it was left out. It proposes tokens to gopher-28m.
func GopherDraft() []byte { return draft }

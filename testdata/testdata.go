//go:build !noembed

// Package testdata holds the demonstration model, embedded so that umbra runs without any file. The build tag noembed
// leaves it out.
package testdata

import _ "embed"

//go:embed gopher-28m-q8_0.gguf
var gopher []byte

// Gopher returns the embedded gopher-28m model, a GGUF file; nil if it was left out. It completes Go source text.
func Gopher() []byte { return gopher }

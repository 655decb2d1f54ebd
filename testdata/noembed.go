//go:build noembed

// Package testdata holds the demonstration model and its draft model, which the build tag noembed has left out here.
package testdata

// Gopher returns nil: the model was left out.
func Gopher() []byte { return nil }

// GopherDraft returns nil: the model was left out.
func GopherDraft() []byte { return nil }

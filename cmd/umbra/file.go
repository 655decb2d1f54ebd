package main

import (
	"fmt"
	"io"

	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/hub"
	"umbra/testdata"
)

// embeddedName is what the built-in model is called in place of a path.
const embeddedName = "gopher-28m (built in)"

// embedded returns the built-in model's bytes, or an error that says what to do without.
func embedded() ([]byte, error) {
	if data := testdata.Gopher(); data != nil {
		return data, nil
	}
	return nil, fmt.Errorf("this binary has no model built in (it was built with the tag noembed): name one with -m model.gguf")
}

// located is the path of a model: of one that is named as umbra pull does, where it has been put, and else the path itself.
func located(model string) (string, error) {
	if !hub.IsName(model) {
		return model, nil
	}
	store, err := hub.Default()
	if err != nil {
		return "", err
	}
	return store.Locate(model)
}

// openNamed opens a model file or folder, by its path or its name.
func openNamed(model string) (*gguf.File, error) {
	path, err := located(model)
	if err != nil {
		return nil, err
	}
	return hf.OpenAny(path)
}

// openModel is openNamed, or opens the built-in one for an empty path, and says what to call it.
func openModel(model string) (*gguf.File, string, error) {
	if model != "" {
		f, err := openNamed(model)
		return f, model, err
	}
	data, err := embedded()
	if err != nil {
		return nil, "", err
	}
	f, err := gguf.Parse(data)
	return f, embeddedName, err
}

// readText returns text given on the command line, or all of standard input where it is "-".
func readText(c *console, text string) (string, error) {
	if text != "-" {
		return text, nil
	}
	data, err := io.ReadAll(c.in)
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	return string(data), nil
}

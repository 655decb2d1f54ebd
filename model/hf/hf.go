// Package hf opens the folders that Hugging Face's transformers keeps models in (config.json, tokenizer.json, *.safetensors) as if
// they were GGUF files: metadata under the keys, and tensors under the names and in the layouts, that llama.cpp's converters write.
//
// Where a layout is the same, bytes are the mapped file's; else (rows in another order, experts stacked, gains plus one, 4-bit weights
// repacked) they are made as they are read, a range at a time. A model type is a row of families; what no row speaks of is refused by
// name. The package runs nothing and knows no device.
package hf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"umbra/model/gguf"
)

// OpenAny opens a GGUF file, or a folder.
func OpenAny(path string) (*gguf.File, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return Open(path)
	}
	return gguf.Open(path)
}

// Open opens a folder. Closing the file closes those of the folder.
func Open(dir string) (*gguf.File, error) {
	f, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	file, err := f.assemble()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), f.close())
	}
	return file, nil
}

// assemble makes the file of a folder that has been read.
func (f *folder) assemble() (*gguf.File, error) {
	var first error
	config := parse("config.json", f.config, &first)
	family, config, err := familyOf(config)
	if err != nil {
		return nil, err
	}
	if f.shards == nil {
		if err := f.openShards(); err != nil {
			return nil, err
		}
	}
	m := &model{folder: f, family: family, config: config, arch: family.arch}
	if m.tensors, err = m.layOut(); err != nil {
		return nil, err
	}
	kvs := m.metadata(filepath.Base(f.dir))
	words, err := f.tokenizer(m)
	if err != nil {
		return nil, err
	}
	if first != nil {
		return nil, first
	}
	list := make([]gguf.Tensor, len(m.tensors))
	byName := make(map[string]*tensor, len(m.tensors))
	for i, t := range m.tensors {
		list[i], byName[t.Name] = t.Tensor, t
	}
	read := func(t gguf.Tensor, from, to uint64) []byte { return byName[t.Name].bytes(from, to) }
	return gguf.Assemble(append(kvs, words...), list, read, f.close)
}

// model is a folder on its way to be a file.
type model struct {
	folder  *folder
	family  *family
	arch    string // GGUF's name of the architecture
	config  object // of the text model
	tensors []*tensor
	extra   []extra // tensors that are in no file
}

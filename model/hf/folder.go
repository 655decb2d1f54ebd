package hf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"umbra/model/safetensors"
)

// Bounds of the files that are read whole; gemma's tokenizer.json, the largest of those known, has 33 MB.
const (
	maxJSON      = 16 << 20
	maxTokenizer = 256 << 20
)

// folder is what a folder has, read: nil for a file that is not there.
type folder struct {
	dir    string
	shards []*safetensors.File

	config, generation, quant                []byte // config.json, generation_config.json, and quantize_config.json or quant_config.json
	words, wordsConfig, special, chat, jinja []byte // tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat_template.json and .jinja
}

func openFolder(dir string) (*folder, error) {
	f := &folder{dir: dir}
	for _, x := range []struct {
		name string
		most int64
		into *[]byte
	}{
		{"config.json", maxJSON, &f.config}, {"generation_config.json", maxJSON, &f.generation},
		{"tokenizer.json", maxTokenizer, &f.words}, {"tokenizer_config.json", maxJSON, &f.wordsConfig},
		{"quant_config.json", maxJSON, &f.quant}, {"quantize_config.json", maxJSON, &f.quant},
		{"special_tokens_map.json", maxJSON, &f.special}, {"chat_template.json", maxJSON, &f.chat}, {"chat_template.jinja", maxJSON, &f.jinja},
	} {
		data, err := readSmall(filepath.Join(dir, x.name), x.most)
		if err != nil {
			return nil, fmt.Errorf("hf: %w", err)
		}
		if data != nil {
			*x.into = data
		}
	}
	if f.config == nil {
		return nil, fmt.Errorf("hf: %s has no config.json: it is no folder of a Hugging Face model; name one, or a GGUF file", dir)
	}
	return f, nil
}

// readSmall reads a file of at most most bytes; nil if there is none.
func readSmall(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes, more than any model known", path, most)
	}
	if data == nil {
		data = []byte{}
	}
	return data, err
}

const (
	oneFile   = "model.safetensors"
	indexFile = "model.safetensors.index.json"
)

// openShards maps the safetensors files: those that the index lists, or model.safetensors, or all that are there.
func (f *folder) openShards() error {
	index, err := readSmall(filepath.Join(f.dir, indexFile), maxTokenizer)
	if err != nil {
		return fmt.Errorf("hf: %w", err)
	}
	var names []string
	var listed map[string]string // file of each tensor
	switch _, err := os.Stat(filepath.Join(f.dir, oneFile)); {
	case index != nil:
		if names, listed, err = readIndex(index); err != nil {
			return err
		}
	case err == nil:
		names = []string{oneFile}
	default:
		if names, err = f.glob(); err != nil {
			return err
		}
	}
	where := map[string]string{}
	for _, name := range names {
		shard, err := safetensors.Open(filepath.Join(f.dir, name))
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("hf: %w: %s lists it; download it too", err, indexFile)
			}
			return err
		}
		f.shards = append(f.shards, shard)
		for _, t := range shard.Tensors {
			if other, ok := where[t.Name]; ok {
				return fmt.Errorf("hf: tensor %q is in two files, %s and %s", t.Name, other, name)
			}
			where[t.Name] = name
		}
	}
	for _, tensor := range slices.Sorted(maps.Keys(listed)) {
		if where[tensor] != listed[tensor] {
			return fmt.Errorf("hf: %s says that tensor %q is in %s, where it is not", indexFile, tensor, listed[tensor])
		}
	}
	return nil
}

// readIndex returns the files that an index names, in order, and which tensor is where.
func readIndex(text []byte) (files []string, listed map[string]string, err error) {
	index := parse(indexFile, text, &err)
	weights, ok := index.object("weight_map")
	if !ok && err == nil {
		index.fail("weight_map is missing")
	}
	listed = map[string]string{}
	for tensor, v := range weights.values {
		name, ok := v.(string)
		if !ok || name != filepath.Base(name) || !strings.HasSuffix(name, ".safetensors") {
			index.fail("weight_map has %s for tensor %q, want the name of a safetensors file in the folder", show(v), tensor)
			break
		}
		listed[tensor] = name
		if !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return files, listed, err
}

// glob lists all safetensors files, where nothing says which they are.
func (f *folder) glob() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	var names, pickled []string
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasPrefix(name, "consolidated"): // the same weights once more, in another layout
		case strings.HasSuffix(name, ".safetensors"):
			names = append(names, name)
		case strings.HasPrefix(name, "pytorch_model"):
			pickled = append(pickled, name)
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	if len(pickled) > 0 {
		return nil, fmt.Errorf("hf: %s has its weights in %s, a format that can run code, which umbra does not read; get the model's safetensors files", f.dir, pickled[0])
	}
	return nil, fmt.Errorf("hf: %s has no safetensors files; download %s", f.dir, oneFile)
}

func (f *folder) close() (err error) {
	for _, s := range f.shards {
		err = errors.Join(err, s.Close())
	}
	return err
}

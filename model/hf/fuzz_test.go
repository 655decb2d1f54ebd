package hf_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/hf/hftest"
)

// FuzzOpen opens a folder whose config.json, tokenizer.json and tokenizer_config.json are what comes: it opens, and its tensors can be read, or is refused.
func FuzzOpen(f *testing.F) {
	dirs := map[string]string{}
	for _, name := range []string{"qwen2", "gemma2", "phi3-longrope", "gpt2", "mixtral"} {
		file, err := gguf.Open(testdata + "oracle/arch/" + name + ".gguf")
		require.NoError(f, err)
		d := hftest.FolderOf(f, file, hftest.Styles[name])
		dirs[name] = d.Save(f, f.TempDir())
		require.NoError(f, file.Close())
		var seed [3][]byte
		for i, part := range parts {
			seed[i], _ = os.ReadFile(filepath.Join(dirs[name], part))
		}
		f.Add(name, seed[0], seed[1], seed[2])
	}
	f.Add("qwen2", []byte(`{"model_type":"qwen2","num_hidden_layers":1e9,"hidden_size":-1}`), []byte(`{"model":{"vocab":{"a":4294967295}}}`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, name string, config, words, wordsConfig []byte) {
		from, ok := dirs[name]
		if !ok {
			return
		}
		dir := t.TempDir()
		weights, err := filepath.Glob(filepath.Join(from, "*.safetensors*"))
		require.NoError(t, err)
		for _, w := range weights {
			require.NoError(t, os.Symlink(w, filepath.Join(dir, filepath.Base(w))))
		}
		for i, data := range [][]byte{config, words, wordsConfig} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, parts[i]), data, 0o600))
		}
		file, err := hf.Open(dir)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		for _, x := range file.Tensors {
			_ = file.Range(x, 0, min(x.Size, 64))
		}
		require.NoError(t, file.Close())
	})
}

var parts = []string{"config.json", "tokenizer.json", "tokenizer_config.json"}

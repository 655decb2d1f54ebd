package hf

import (
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/hf/hftest"
	"umbra/model/safetensors"
)

// FuzzOpen gives real weights with any configuration and tokenizer: these are refused, or make a file whose tensors can be read. Weights stay
// mapped, and no file is written for an input.
func FuzzOpen(f *testing.F) {
	weights := map[string][]*safetensors.File{}
	for _, name := range []string{"qwen2", "gemma2", "phi3-longrope", "gpt2", "mixtral"} {
		file, err := gguf.Open("../../testdata/oracle/arch/" + name + ".gguf")
		require.NoError(f, err)
		dir := hftest.FolderOf(f, file, hftest.Styles[name]).Save(f, f.TempDir())
		require.NoError(f, file.Close())
		d, err := openFolder(dir)
		require.NoError(f, err)
		require.NoError(f, d.openShards())
		f.Cleanup(func() { d.close() })
		weights[name] = d.shards
		f.Add(name, d.config, d.words, d.wordsConfig, d.special)
	}
	f.Add("qwen2", []byte(`{"model_type":"qwen2","num_hidden_layers":1e9,"hidden_size":-1}`), []byte(`{"model":{"vocab":{"a":4294967295}}}`), []byte(`[]`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, name string, config, words, wordsConfig, special []byte) {
		shards, ok := weights[name]
		if !ok {
			return
		}
		d := &folder{dir: name, shards: shards, config: config, words: words, wordsConfig: wordsConfig, special: special}
		file, err := d.assemble()
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		for _, x := range file.Tensors {
			_ = file.Range(x, 0, min(x.Size, 64))
		}
	})
}

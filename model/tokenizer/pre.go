package tokenizer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pre is what tokenizer.ggml.pre selects: how text is cut up before merging, and the defaults that come with it.
type pre struct {
	split        func(text string) int
	ignoreMerges bool // see Tokenizer.ignoreMerges
	addBOS       bool // the default of tokenizer.ggml.add_bos_token
}

var (
	preGPT2   = pre{split: splitGPT2}
	preLlama3 = pre{split: splitLlama3, ignoreMerges: true, addBOS: true}
	preDBRX   = pre{split: splitLlama3} // Llama 3's pattern without its other rules
	preQwen2  = pre{split: splitQwen2}
)

// pres maps the names that GGUF files use to rules, as llama.cpp's llama-vocab.cpp does. Left out are the
// aliases of embedding models (jina-*, roberta-bpe, modern-bert), which need rules of their own besides.
var pres = map[string]pre{
	"gpt-2":           preGPT2,
	"phi-2":           preGPT2,
	"a.x-4.0":         preGPT2,
	"exaone4":         preGPT2,
	"gigachat":        preGPT2,
	"granite-docling": preGPT2,
	"jais":            preGPT2,
	"mellum":          preGPT2,
	"mpt":             preGPT2,
	"olmo":            preGPT2,
	"trillion":        preGPT2,

	"llama-bpe": preLlama3,
	"llama3":    preLlama3,
	"llama-v3":  preLlama3,
	"falcon3":   preLlama3,
	"falcon-h1": preLlama3,
	"lfm2":      preLlama3,
	"midm-2.0":  preLlama3,
	"pixtral":   preLlama3,

	"dbrx":        preDBRX,
	"smaug-bpe":   preDBRX,
	"glm4":        preDBRX,
	"chatglm-bpe": preDBRX,

	"qwen2":            preQwen2,
	"deepseek-r1-qwen": preQwen2,
	"f2llmv2":          preQwen2,
	"grok-2":           preQwen2,
	"hunyuan":          preQwen2,
	"kormo":            preQwen2,
	"megrez":           preQwen2,
	"stablelm2":        preQwen2,
}

// readPre looks up the file's pre-tokenizer. A file without one is refused: guessing changes the ids silently.
func readPre(src Source) (pre, error) {
	name, ok := src.String("tokenizer.ggml.pre")
	if !ok {
		return pre{}, fmt.Errorf("tokenizer: tokenizer.ggml.pre is missing; convert the model again with a newer converter, or set it to one of %s", preNames())
	}
	p, ok := pres[name]
	if !ok {
		return pre{}, fmt.Errorf("tokenizer: tokenizer.ggml.pre %q is not supported (%s)", name, preNames())
	}
	return p, nil
}

func preNames() string { return strings.Join(slices.Sorted(maps.Keys(pres)), ", ") }

package tokenizer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pre is what tokenizer.ggml.pre selects: how text is cut up before merging, and the defaults that come with it.
type pre struct {
	cuts         []cut
	ignoreMerges bool // a piece that is a token is taken whole, whatever the merges say
	addBOS       bool // the default of tokenizer.ggml.add_bos_token
	plain        bool // tokens are plain UTF-8 with ▁ for spaces, and bytes are spelled <0x0A>; for the byte alphabet
	wholeBreaks  bool // ignoreMerges for line breaks alone
	ranked       bool // a file without merges means tiktoken's: the token of lowest id first
}

// Rows of the table that several names share.
var (
	gpt2Words  = pre{cuts: []cut{gpt2}}
	starcoder  = pre{cuts: []cut{each(number, 1), gpt2}}
	llama3     = &words{contractions: true, digits: 3, after: "\r\n"}
	qwen2      = &words{contractions: true, digits: 1, after: "\r\n"}
	gpt4o      = &words{cased: true, endings: true, digits: 3, after: "\r\n/"}
	llama3Pre  = pre{cuts: []cut{llama3.match}, ignoreMerges: true, addBOS: true}
	dbrx       = pre{cuts: []cut{llama3.match}} // Llama 3's pattern without its other rules
	qwen2Words = pre{cuts: []cut{qwen2.match}}
	gpt4oWords = pre{cuts: []cut{gpt4o.match}}
	deepseekV3 = pre{cuts: []cut{each(number, 3), isolate(hanKana.run), isolate(deepseek)}}
	tinyAya    = pre{cuts: []cut{isolate(wholeThousands), gpt4o.match}}
	bloomWords = pre{cuts: []cut{isolate(bloom)}}
	gemma4     = pre{cuts: []cut{lines}, plain: true, addBOS: true, wholeBreaks: true}
)

// pres maps the names that GGUF files use to rules. The names are those of llama.cpp's llama-vocab.cpp, which stand for the patterns in models' own
// tokenizer.json; where it only approximates one (it knows no letter case beyond ASCII), the pattern is followed. Left out are the aliases of
// embedding models (jina-*, roberta-bpe, modern-bert, whitespace), which need rules of their own besides.
var pres = map[string]pre{
	"default": {cuts: []cut{symbolRuns("$+<=>^~|"), gpt2, runs(number), isolate(threeDigits)}},
	"falcon":  {cuts: []cut{symbolRuns("$+<=>^~|`"), gpt2, isolate(threeDigits)}},

	"gpt-2":           gpt2Words,
	"a.x-4.0":         gpt2Words,
	"exaone4":         gpt2Words,
	"gigachat":        gpt2Words,
	"granite-docling": gpt2Words,
	"jais":            gpt2Words,
	"mellum":          gpt2Words,
	"mpt":             gpt2Words,
	"olmo":            gpt2Words,
	"phi-2":           gpt2Words,
	"trillion":        gpt2Words,

	"starcoder":  starcoder,
	"codeshell":  starcoder,
	"command-r":  starcoder,
	"exaone":     starcoder,
	"mellum2":    starcoder,
	"minerva-7b": starcoder,
	"refact":     starcoder,
	"smollm":     starcoder,

	"llama-bpe": llama3Pre,
	"falcon-h1": llama3Pre,
	"falcon3":   llama3Pre,
	"lfm2":      llama3Pre,
	"llama-v3":  llama3Pre,
	"llama3":    llama3Pre,
	"midm-2.0":  llama3Pre,
	"pixtral":   llama3Pre,

	"dbrx":        dbrx,
	"chatglm-bpe": dbrx,
	"glm4":        dbrx,
	"smaug-bpe":   dbrx,
	"jais-2":      {cuts: []cut{llama3.match, spaceBlocks}},
	"minicpm5":    {cuts: []cut{each(number, 3), llama3.match}, ignoreMerges: true},

	// Possessive quantifiers in some of these patterns (bailingmoe) change nothing.
	"qwen2":            qwen2Words,
	"bailingmoe":       qwen2Words,
	"bailingmoe2":      qwen2Words,
	"deepseek-r1-qwen": qwen2Words,
	"f2llmv2":          qwen2Words,
	"grok-2":           qwen2Words,
	"hunyuan":          qwen2Words,
	"kormo":            qwen2Words,
	"llada-moe":        qwen2Words,
	"megrez":           qwen2Words,
	"solar-open":       qwen2Words,
	"stablelm2":        qwen2Words,
	"laguna":           {cuts: []cut{lines, qwen2.match}},
	"qwen35":           {cuts: []cut{(&words{contractions: true, marks: true, digits: 1, after: "\r\n"}).match}},
	"seed-coder":       {cuts: []cut{(&words{contractions: true, digits: 1}).match}},
	"ufakzeka":         {cuts: []cut{(&words{digits: 1, after: "\r\n"}).match}},
	"exaone-moe":       {cuts: []cut{(&words{contractions: true, phrases: true, digits: 1, after: "\r\n/", afterOne: true}).match}},

	"gpt-4o":                  gpt4oWords,
	"kanana2":                 gpt4oWords,
	"llama4":                  gpt4oWords,
	"minimax-m2":              gpt4oWords,
	"talkie":                  gpt4oWords,
	"granite-embed-multi-97m": {cuts: gpt4oWords.cuts, ignoreMerges: true},
	"cohere2moe":              tinyAya,
	"tiny_aya":                tinyAya,
	"tekken":                  {cuts: []cut{(&words{cased: true, digits: 1, after: "\r\n/"}).match}, ignoreMerges: true, addBOS: true},
	"youtu":                   {cuts: []cut{isolate(youtuScript), (&words{cased: true, endings: true, digits: 1, after: "\r\n/"}).match}, ignoreMerges: true},
	"kimi-k2":                 {cuts: []cut{(&words{cased: true, endings: true, hanRuns: true, digits: 3, after: "\r\n"}).match}, ranked: true},

	"deepseek-coder": {cuts: []cut{isolate(breaks), spaced(letter), spaced(punct), isolate(cjk.run), each(number, 1)}},
	"deepseek-llm": {cuts: []cut{isolate(breaks), isolate(deepSeekLetters.spaced), isolate(deepSeekMarks.spaced), trailing, isolate(cjk.run),
		runs(number)}},
	"deepseek-v3":   deepseekV3,
	"hunyuan-dense": deepseekV3,
	"hy_v4":         deepseekV3,
	"joyai-llm":     deepseekV3,
	"spark2_5":      {cuts: []cut{each(number, 3), isolate(hanKana.run), isolate(spark), each(number, 1)}},
	"afmoe":         {cuts: []cut{isolate(thousands), isolate(asian.run), isolate(deepseek)}},

	"bloom":        bloomWords,
	"gpt3-finnish": bloomWords,
	"poro-chat":    bloomWords,
	"viking":       {cuts: []cut{isolate(bloom), each(number, 1)}},

	"chameleon": {cuts: []cut{isolate(sentinels), isolate(images), isolate(indents), each(number, 1), isolate(asciiPunct), gpt2}, addBOS: true},
	"superbpe":  {cuts: []cut{runs(number), beforeThousands}},

	"gemma4":                   gemma4,
	"granite-embed-multi-311m": gemma4,
	"sarvam-moe":               {cuts: []cut{lines}, plain: true},
}

// readPre looks up the file's pre-tokenizer. A file without one is refused: guessing changes the ids silently.
func readPre(src Source) (pre, error) {
	name, ok := src.String("tokenizer.ggml.pre")
	if !ok {
		return pre{}, fmt.Errorf("tokenizer: tokenizer.ggml.pre is missing; convert the model again with a newer converter, or set it to one of %s", names(pres))
	}
	p, ok := pres[name]
	if !ok {
		return pre{}, fmt.Errorf("tokenizer: tokenizer.ggml.pre %q is not supported (%s)", name, names(pres))
	}
	return p, nil
}

func names[T any](of map[string]T) string { return strings.Join(slices.Sorted(maps.Keys(of)), ", ") }

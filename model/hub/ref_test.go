package hub

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name  string
		want  ref
		place string
		again string // the name it gets, where that is another
	}{
		{"hf:o/r", ref{repo: "o/r", revision: "main"}, "hf/o/r", ""},
		{"hf:o/r:Q8_0", ref{repo: "o/r", pick: "Q8_0", revision: "main"}, "hf/o/r", ""},
		{"hf:o/r-1.5_x:sub/a.gguf@refs/pr/1", ref{repo: "o/r-1.5_x", pick: "sub/a.gguf", revision: "refs/pr/1"}, "hf/o/r-1.5_x@refs%2Fpr%2F1", ""},
		{"hf:o/r@main", ref{repo: "o/r", revision: "main"}, "hf/o/r", "hf:o/r"},
		{"https://huggingface.co/o/r", ref{repo: "o/r", revision: "main"}, "hf/o/r", "hf:o/r"},
		{"https://huggingface.co/o/r/blob/v1/sub/a.gguf?download=true", ref{repo: "o/r", pick: "sub/a.gguf", revision: "v1"}, "hf/o/r@v1", "hf:o/r:sub/a.gguf@v1"},
		{"https://hf.co/o/r/tree/v1", ref{repo: "o/r", revision: "v1"}, "hf/o/r@v1", "hf:o/r@v1"},
		{"http://h:81/a/b.gguf?x=1", ref{url: "http://h:81/a/b.gguf?x=1"}, "url/h_81/6acd6dd80ca2bdc2", ""},
		{"https://me:secret@h/b.gguf#top", ref{url: "https://me:secret@h/b.gguf"}, "url/h/7af7a1c14b5fb9c1", "https://h/b.gguf"},
	} {
		r, err := parse(c.name)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, r, c.name)
		if strings.HasPrefix(c.place, "url/") {
			assert.Equal(t, filepath.Dir(c.place), filepath.Dir(r.place()), c.name)
			assert.Len(t, r.place(), len(c.place), c.name)
		} else {
			assert.Equal(t, c.place, r.place(), c.name)
		}
		if c.again == "" {
			c.again = c.name
		}
		assert.Equal(t, c.again, r.name())
	}
	a, _ := parse("http://h/a.gguf?x=1")
	b, _ := parse("http://h/a.gguf?x=2")
	assert.NotEqual(t, a.place(), b.place())
	for _, bad := range []string{"hf:", "hf:o", "hf:o/", "hf:o/r/x", "hf:../r", "hf:o/..", "hf:o/r:../x", "hf:o/r:/x", `hf:o/r:a\b`, "hf:o/r@", "hf:o/r@a/../b", "hf:o r/x",
		"https://", "http:///x", "https://huggingface.co/o/r/resolve/main/../../x.gguf", "hf:o/r:a\x1b[2J"} {
		_, err := parse(bad)
		assert.Error(t, err, bad)
	}
	assert.True(t, IsName("hf:x") && IsName("http://x") && IsName("https://x"))
	assert.False(t, IsName("model.gguf") || IsName("hf/x") || IsName(""))
}

func TestCheckPath(t *testing.T) {
	for _, good := range []string{"a.gguf", "sub/dir/a-b_c.gguf", "..a", "a b"} {
		assert.NoError(t, checkPath(good))
	}
	for _, bad := range []string{"", ".", "..", "../a", "a/../b", "a/..", "/a", "a//b", "a/", `..\a`, `C:\a`, "c:a", "a\x00", "a\nb", "a\x7f"} {
		assert.Error(t, checkPath(bad), "%q", bad)
	}
}

func TestLabelOf(t *testing.T) {
	for stem, want := range map[string]string{
		"qwen2.5-0.5b-instruct-q4_k_m": "Q4_K_M", "Model-Q8_0": "Q8_0", "Model.Q4_K_S": "Q4_K_S", "sub/Model-UD-Q4_K_XL": "UD-Q4_K_XL", "m-IQ2_XXS": "IQ2_XXS",
		"gpt-oss-20b-mxfp4": "MXFP4", "m-BF16": "BF16", "m-f16": "F16", "m-TQ1_0": "TQ1_0", "m-Q4_K_M-v2": "Q4_K_M", "model_q4_0": "Q4_0", "Model": "", "Qwen-7B": "", "a-Q4_0/model": "",
	} {
		assert.Equal(t, want, labelOf(stem), stem)
	}
}

func listed(names ...string) (files []File) {
	for _, n := range names {
		files = append(files, File{Path: n, Size: 1, SHA256: sha([]byte(n))})
	}
	return files
}

func TestChoose(t *testing.T) {
	parts := []string{"big/m-Q6_K-00002-of-00002.gguf", "big/m-Q6_K-00001-of-00002.gguf"}
	usual := append(parts, "m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-Q2_K.gguf", "mmproj-m-F16.gguf", "m.imatrix.gguf", "readme.md", "m-Q5_0-00001-of-00003.gguf", "m-Q5_0-00003-of-00003.gguf")
	two := []string{"base-Q4_K_M.gguf", "chat-Q4_K_M.gguf", "chat-Q8_0.gguf"}
	for _, c := range []struct {
		files []string
		pick  string
		want  string // files, or part of the error
		why   bool
	}{
		{usual, "", "m-Q4_K_M.gguf", true},
		{usual, "q8_0", "m-Q8_0.gguf", false},
		{usual, "m-Q2_K.gguf", "m-Q2_K.gguf", false},
		{usual, "m-Q2_K", "m-Q2_K.gguf", false},
		{usual, "Q6_K", "big/m-Q6_K-00001-of-00002.gguf big/m-Q6_K-00002-of-00002.gguf", false},
		{usual, "m-Q6_K-00002-of-00002.gguf", "big/m-Q6_K-00001-of-00002.gguf big/m-Q6_K-00002-of-00002.gguf", false},
		{usual, "Q3_K_S", "o/r has no Q3_K_S; there is Q2_K, Q4_K_M, Q5_0, Q6_K, Q8_0", false},
		{usual, "Q5_0", "o/r lacks m-Q5_0-00002-of-00003.gguf: the model is not whole there", false},
		{usual, "mmproj-m-F16.gguf", "has no mmproj-m-F16.gguf", false},
		{[]string{"m-Q5_K_M.gguf", "m-Q8_0.gguf", "m-Q4_0.gguf"}, "", "m-Q4_0.gguf", true},
		{[]string{"m-Q5_K_M.gguf", "m-Q8_0.gguf"}, "", "m-Q8_0.gguf", true},
		{[]string{"m-UD-Q4_K_XL.gguf", "m-Q2_K.gguf"}, "Q4_K_XL", "m-UD-Q4_K_XL.gguf", false},
		{[]string{"only.gguf"}, "", "only.gguf", false},
		{[]string{"a-Q1_0.gguf", "b-Q2_0.gguf"}, "", "o/r has Q1_0, Q2_0; name one, as hf:o/r:a-Q1_0.gguf", false},
		{two, "", "o/r has base-Q4_K_M.gguf, chat-Q4_K_M.gguf; name one", false},
		{two, "Q4_K_M", "name one, as hf:o/r:base-Q4_K_M.gguf", false},
		{two, "chat-Q4_K_M.gguf", "chat-Q4_K_M.gguf", false},
		{[]string{"readme.md"}, "Q8_0", "has no Q8_0", false},
	} {
		v, why, err := choose(variantsOf(listed(c.files...)), "o/r", c.pick)
		if err != nil {
			assert.ErrorContains(t, err, c.want, c.pick)
			continue
		}
		var got []string
		for _, f := range v.files {
			got = append(got, f.Path)
		}
		assert.Equal(t, c.want, strings.Join(got, " "), c.pick)
		assert.Equal(t, c.why, why != "", c.pick)
	}
}

package main

import (
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "src", "a"), 0o755))
	list := "# Go 1.2.3. Some files.\n"
	for _, name := range []string{"src/a/x.go", "src/y.go"} {
		data := []byte("package " + name + "\n")
		require.NoError(t, os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), data, 0o644))
		list += fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name)
	}
	got, err := text(list, root)
	require.NoError(t, err)
	assert.Equal(t, "package src/a/x.go\npackage src/y.go\n", string(got))

	_, err = text(list+strings.Repeat("0", 64)+"  src/y.go\n", root)
	assert.ErrorContains(t, err, "src/y.go is not the file of Go 1.2.3 that was listed")
	_, err = text(list+strings.Repeat("0", 64)+"  src/z.go\n", root)
	assert.ErrorContains(t, err, "(the text is of Go 1.2.3)")
	_, err = text("src/y.go", root)
	assert.ErrorContains(t, err, "is not a hash and a name")
}

// TestListsApart: no file is in both texts.
func TestListsApart(t *testing.T) {
	names := map[string]bool{}
	for _, list := range []string{validation, calibration} {
		for _, line := range strings.Split(strings.TrimSpace(list), "\n")[1:] {
			_, name, _ := strings.Cut(line, "  ")
			assert.False(t, names[name], name)
			names[name] = true
		}
	}
	assert.Len(t, names, 28)
}

func TestReplace(t *testing.T) {
	const document = "a\n<!-- quanttable: x -->\nold\n<!-- end -->\nb\n"
	got, err := replace(document, "x", "new\n")
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(document, "old", "new", 1), got)
	for _, bad := range []string{"", "<!-- quanttable: x -->\n", "<!-- end -->"} {
		_, err := replace(bad, "x", "new")
		assert.Error(t, err)
	}
}

// many are rows close to one another, as K formats are.
func many() (rows []row) {
	for i := range 24 {
		rows = append(rows, row{Type: fmt.Sprintf("Q4_K_%d", i), Bits: 4 + float64(i%12)*0.06, KL: estimate{Value: 0.02 + float64(i)*1e-4}})
	}
	return append(rows, row{Type: "F32", Bits: 32}, row{Type: "Q2_K*", Bits: 2.6, KL: estimate{Value: 0.9}})
}

// TestPlot: the picture is XML with a point and a label for each row.
func TestPlot(t *testing.T) {
	svg := plotOf(many())
	d := xml.NewDecoder(strings.NewReader(svg))
	circles := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == "circle" {
			circles++
		}
	}
	assert.Equal(t, 25, circles)
	assert.Zero(t, strings.Count(svg, ">F32</text>"))
	assert.Equal(t, 1, strings.Count(svg, ">Q2_K</text>"))
	assert.NotContains(t, svg, "NaN")
	assert.NotContains(t, svg, "Inf")
}

// TestFree: no label lies on another, or on a point.
func TestFree(t *testing.T) {
	var taken []box
	for i := range 30 {
		taken = append(taken, box{400 + float64(i%6)*3, 300 + float64(i/6)*3, 8, 8})
	}
	for range 30 {
		place := free(410, 310, 50, taken)
		for _, b := range taken {
			assert.False(t, place.hits(b))
		}
		taken = append(taken, place)
	}
}

func TestMarkdown(t *testing.T) {
	r := results{Adapter: "a CPU", Tokens: 10, Scored: 5, Rows: []row{
		{Type: "Q4_0", Bits: 4.5, Bytes: 17e6, Ratio: estimate{1.07, 0.001}, SameBest: estimate{Value: 0.9}},
		{Type: "Q8_0", Bits: 8.5, Bytes: 31e6, Ratio: estimate{1, 0}},
		{Type: "Q2_K*", Bits: 2.6, Bytes: 11e6, Ratio: estimate{1.5, 0.1}},
	}}
	got := r.markdown()
	assert.Contains(t, got, "| Q4_0 | 4.50 | 17.0 | 0.0000 ± 0.000 | +7.000 ± 0.100 % | 6 %: **missed** |")
	assert.Contains(t, got, "| +0.000 ± 0.000 % | 0.1 %: met |")
	assert.Contains(t, got, "| Q2_K, imatrix | 2.60 |")
	s := speeds{Adapter: "a GPU", Rows: []speedRow{{"1b", "q8_0", 2000, 100}, {"8b", "q4_0", 300, 20}}}
	assert.Equal(t, "a GPU, tok/s:\n\n| type | 1b decode | prefill | 8b decode | prefill |\n|---|---|---|---|---|\n| Q8_0 | 100.0 | 2000 | | |\n| Q4_0 | | | 20.0 | 300 |\n\n", s.markdown())
}

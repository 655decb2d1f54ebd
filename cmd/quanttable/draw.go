package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// targets are how much the perplexity may rise, in percent.
var targets = map[string]float64{"Q8_0": 0.1, "Q6_K": 0.5, "Q5_K_M": 1, "Q4_K_M": 3, "Q4_0": 6}

// draw writes the document's tables, between their marks, and the plot.
func (t *table) draw() error {
	var all results
	if err := load(t.results(), &all); err != nil {
		return err
	}
	path := filepath.Join(t.docs, "quantization.md")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	document, err := replace(string(data), "quality", all.markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	files, err := filepath.Glob(filepath.Join(t.docs, "quantization-speed-*.json"))
	if err != nil {
		return err
	}
	var tables strings.Builder
	for _, f := range files {
		var s speeds
		if err := load(f, &s); err != nil {
			return err
		}
		tables.WriteString(s.markdown())
	}
	if document, err = replace(document, "speed", tables.String()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(document), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.docs, "quantization.svg"), []byte(plotOf(all.Rows)), 0o644)
}

// replace puts text between the marks "<!-- quanttable: NAME -->" and "<!-- end -->".
func replace(document, name, text string) (string, error) {
	mark, end := "<!-- quanttable: "+name+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(document, mark)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("there is no %q followed by %q", strings.TrimSpace(mark), end)
	}
	return before + mark + text + end + after, nil
}

// name is a type's, with its matrix in words.
func name(kind string) string {
	kind, matrix := strings.CutSuffix(kind, "*")
	if matrix {
		return kind + ", imatrix"
	}
	return kind
}

func (r results) markdown() string {
	var b strings.Builder
	b.WriteString("| type | bits/weight | MB | perplexity | against F32 | target | mean KL | same top token | prefill tok/s | decode tok/s |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, x := range r.Rows {
		target := ""
		rise := 100 * (x.Ratio.Value - 1)
		if limit, ok := targets[x.Type]; ok {
			target = fmt.Sprintf("%g %%: met", limit)
			if rise > limit {
				target = fmt.Sprintf("%g %%: **missed**", limit)
			}
		}
		speed := " | " // not measured
		if x.Prefill > 0 {
			speed = fmt.Sprintf("%.0f | %.1f", x.Prefill, x.Decode)
		}
		fmt.Fprintf(&b, "| %s | %.2f | %.1f | %.4f ± %.3f | %+.3f ± %.3f %% | %s | %.2e ± %.0e | %.2f %% | %s |\n",
			name(x.Type), x.Bits, float64(x.Bytes)/1e6, x.Perplexity.Value, x.Perplexity.Error, rise, 100*x.Ratio.Error, target,
			x.KL.Value, x.KL.Error, 100*x.SameBest.Value, speed)
	}
	fmt.Fprintf(&b, "\n%d tokens, %d of them scored. Speeds on %s.\n", r.Tokens, r.Scored, r.Adapter)
	return b.String()
}

func (s speeds) markdown() string {
	var shapes, types []string
	at := map[[2]string]speedRow{}
	for _, r := range s.Rows {
		if !slices.Contains(shapes, r.Shape) {
			shapes = append(shapes, r.Shape)
		}
		if !slices.Contains(types, r.Type) {
			types = append(types, r.Type)
		}
		at[[2]string{r.Shape, r.Type}] = r
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, tok/s:\n\n| type |", s.Adapter)
	for _, shape := range shapes {
		fmt.Fprintf(&b, " %s decode | prefill |", shape)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|---|", len(shapes)) + "\n")
	for _, kind := range types {
		fmt.Fprintf(&b, "| %s |", strings.ToUpper(kind))
		for _, shape := range shapes {
			if r, ok := at[[2]string{shape, kind}]; ok {
				fmt.Fprintf(&b, " %.1f | %.0f |", r.Decode, r.Prefill)
			} else {
				b.WriteString(" | |")
			}
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.String()
}

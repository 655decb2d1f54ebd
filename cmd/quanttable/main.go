// Command quanttable measures what each weight type costs in quality and gives in size and speed, and writes the table and the plot of
// docs/quantization.md. It runs the umbra command, so every figure can be had by hand:
//
//	umbra quantize testdata/gopher-28m-q8_0.gguf f32.gguf f32
//	umbra perplexity -m f32.gguf --kl-base base.umbra-kl validation.go.txt
//	umbra quantize f32.gguf q4_k_m.gguf q4_k_m
//	umbra perplexity -m q4_k_m.gguf --kl base.umbra-kl --json
//	umbra inspect --json q4_k_m.gguf
//	umbra bench -m q4_k_m.gguf -p 512 -n 64 -r 3 --json
//
// Measured rows are kept in docs/quantization.json, and speeds of other shapes in docs/quantization-speed-*.json; with -draw nothing is
// measured and the document is written again from these.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

// types are measured where -types says nothing else, largest first; a * is for an importance matrix.
const types = "f32,bf16,f16,q8_0,q6_k,q5_k_m,q5_k_s,q5_1,q5_0,q4_k_m,q4_k_s,q4_1,q4_0,iq4_nl,iq4_xs,mxfp4,q3_k_m,q3_k_s,q2_k,q4_k_m*,q4_0*,iq4_xs*,q3_k_m*,q2_k*"

// speedTypes are measured with -speeds where -types says nothing else.
const speedTypes = "f32,f16,bf16,q8_0,q6_k,q5_k,q5_1,q5_0,q4_k,q4_1,q4_0,iq4_nl,iq4_xs,mxfp4,q3_k,q2_k"

func main() {
	var t table
	model := flag.String("model", "testdata/gopher-28m-q8_0.gguf", "model to quantise")
	list := flag.String("types", "", "types to measure, with commas between; others' rows stay (default all)")
	only := flag.String("only", "", "measure only quality, or only speed, and keep the other (default both)")
	draw := flag.Bool("draw", false, "measure nothing")
	speeds := flag.String("speeds", "", "measure speeds of -shapes instead, into this file of JSON")
	shapes := flag.String("shapes", "llama3.2-1b,llama3.1-8b", "shapes for -speeds")
	dump := flag.String("text", "", "write the validation text to this file, and do nothing else")
	flag.StringVar(&t.umbra, "umbra", "bin/umbra", "umbra command")
	flag.StringVar(&t.docs, "docs", "docs", "folder of quantization.md")
	flag.StringVar(&t.work, "work", "out/quant", "folder for models while they are measured")
	flag.Parse()
	t.quality, t.speed = *only != "speed", *only != "quality"
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("there are no arguments")
	switch {
	case flag.NArg() > 0:
	case *only != "" && *only != "quality" && *only != "speed":
		err = fmt.Errorf("-only %s is neither quality nor speed", *only)
	case *dump != "":
		err = dumpText(*dump)
	case *speeds != "":
		err = t.measureSpeeds(ctx, *speeds, split(*shapes), split(or(*list, speedTypes)))
	case *draw:
		err = t.draw()
	default:
		if err = t.measure(ctx, *model, split(or(*list, types))); err == nil {
			err = t.draw()
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "quanttable: %v\n", err)
		os.Exit(1)
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func split(list string) []string { return strings.Split(strings.ToLower(list), ",") }

// dumpText writes the validation text.
func dumpText(path string) error {
	root, err := goRoot()
	if err != nil {
		return err
	}
	data, err := text(validation, root)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// table measures and writes.
type table struct {
	umbra, docs, work string
	quality, speed    bool // what is measured
}

func (t *table) results() string { return filepath.Join(t.docs, "quantization.json") }

package main

import (
	"fmt"

	"umbra/cmd/umbra/internal/term"
	"umbra/model/hf"
	"umbra/model/quant/mix"
	"umbra/model/quantize"
)

// convertCommand writes a folder as a file.
type convertCommand struct {
	Type string `enum:"auto,f32,f16,bf16" default:"auto" help:"Type of matrices: as the folder has them (auto), f32, f16 or bf16. Vectors are F32."`
	In   string `arg:"" help:"Folder of a Hugging Face model (config.json, tokenizer.json, *.safetensors), or a name as umbra pull takes it."`
	Out  string `arg:"" help:"File to write (GGUF)."`
}

func (convertCommand) Help() string {
	return `Other engines read the file: keys, names and layouts are those of llama.cpp's converters. Folders need no conversion to run
here: run, inspect, tokenize and quantize open them. OUT.gguf appears when it is whole.

Examples:
  umbra convert Qwen2.5-0.5B-Instruct qwen2.5-0.5b.gguf
  umbra convert --type f16 Llama-3.2-1B llama-3.2-1b-f16.gguf`
}

func (v *convertCommand) Run(c *console) error {
	in, err := located(v.In)
	if err != nil {
		return err
	}
	f, err := hf.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	o := quantize.Options{}
	if v.Type != "auto" {
		if o.Mix, err = mix.Named(v.Type); err != nil {
			return err
		}
	}
	p, err := writeModel(c, "converting", f, v.Out, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s: %d tensors of %s\n", v.Out, len(p.Tensors), term.Bytes(p.Bytes()))
	return err
}

package main

import (
	"fmt"
	"strings"

	"umbra/model"
	"umbra/model/quant"
)

// modelFlags name a model to measure: a file, or a true shape.
type modelFlags struct {
	File  string `name:"model" short:"m" placeholder:"FILE" help:"Model: a file (GGUF), a folder of Hugging Face's, or a name as umbra pull takes it. Default: the built-in one."`
	Shape string `placeholder:"NAME" help:"Instead of a file, a model of a true shape with random weights: llama3.1-8b, llama3.2-1b, qwen2.5-0.5b, smollm2-135m, gopher-28m, qwen3moe-30b-a3b, mixtral-8x7b."`
	Type  string `default:"q8_0" help:"Weight type of --shape: f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0, iq4_xs, iq4_nl, mxfp4, q3_k, q2_k."`
}

func (f modelFlags) typeName() string {
	if f.Shape == "" {
		return ""
	}
	return strings.ToUpper(f.Type)
}

// source opens the file, or makes up a model of the shape.
func (f modelFlags) source() (model.Source, string, func(), error) {
	if f.Shape == "" {
		file, name, err := openModel(f.File)
		if err != nil {
			return nil, "", nil, err
		}
		return file, name, func() { file.Close() }, nil
	}
	if f.File != "" {
		return nil, "", nil, usageError("-m and --shape are two models; give one")
	}
	shape, err := model.ShapeOf(f.Shape)
	if err != nil {
		return nil, "", nil, err
	}
	var names []string
	for _, t := range quant.PlaneTypes() {
		if strings.EqualFold(t.String(), f.Type) {
			return model.Synthetic(shape, t), shape.Name, func() {}, nil
		}
		names = append(names, strings.ToLower(t.String()))
	}
	return nil, "", nil, usageError(fmt.Sprintf("--type %s is not supported (%s)", f.Type, strings.Join(names, ", ")))
}

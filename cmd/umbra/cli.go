package main

import "strings"

const description = `Runs large language models on any GPU that WebGPU reaches (Vulkan, Metal, D3D12), from one binary.
A small model of Go source code is built in, and used where no other is given.`

// cli lists the commands.
type cli struct {
	logFlags

	Run        runCommand        `cmd:"" help:"Continue a prompt, or a file of prompts."`
	Chat       chatCommand       `cmd:"" help:"Talk with a model."`
	Serve      serveCommand      `cmd:"" help:"Answer HTTP requests, as OpenAI's API does."`
	Pull       pullCommand       `cmd:"" help:"Download a model, from Hugging Face's hub or a URL."`
	List       listCommand       `cmd:"" help:"List the models that have been pulled."`
	Rm         rmCommand         `cmd:"" help:"Remove models that have been pulled."`
	Devices    devicesCommand    `cmd:"" help:"List the adapters, their limits, and which one would be used."`
	Doctor     doctorCommand     `cmd:"" help:"Say why a GPU is not used, and report on this machine and its adapters."`
	Inspect    inspectCommand    `cmd:"" help:"Show a model file: metadata, tensors, and the memory it takes to run."`
	Convert    convertCommand    `cmd:"" help:"Write the folder of a Hugging Face model as a GGUF file."`
	Quantize   quantizeCommand   `cmd:"" help:"Write a model with its weights in fewer bits."`
	Tokenize   tokenizeCommand   `cmd:"" help:"Turn text into token ids, or ids into text."`
	Perplexity perplexityCommand `cmd:"" help:"Measure how well a model foretells a text, and how far it is from another."`
	Imatrix    imatrixCommand    `cmd:"" help:"Collect an importance matrix for quantize: how large the inputs of each weight matrix are over a text."`
	Selftest   selftestCommand   `cmd:"" help:"Check every kernel on an adapter against plain Go."`
	Bench      benchCommand      `cmd:"" help:"Measure speed: of a model, of each kernel (bench ops), or under a load of requests (bench serve)."`
	Tune       tuneCommand       `cmd:"" help:"Measure which kernels are fastest on an adapter, and keep that for other commands."`
	Completion completionCommand `cmd:"" help:"Write a script that has a shell complete commands and flags."`
	Version    versionCommand    `cmd:"" help:"Show what this binary was built from."`
}

// trimPrefix takes the root package's prefix off an error that is about to get the program's, which is the same.
func trimPrefix(message string) string { return strings.TrimPrefix(message, "umbra: ") }

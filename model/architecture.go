package model

import (
	"fmt"
	"sort"
	"strings"
)

// Architecture describes one family of decoder models over the shared blocks (block.go).
type Architecture struct {
	Name      string
	layerNorm bool // norms are LayerNorm, else RMSNorm
	// configure reads what the architecture has of its own, and sets what it is known by; nil for nothing.
	configure func(r *configReader, c *Config)
	// layer lists the blocks of layer i.
	layer func(l *layerBuilder) []block
}

// architectures is the registry: an architecture is a file and a line here.
var architectures = []Architecture{llama, qwen2, qwen3, gemma, gemma2, gemma3, phi2, phi3, olmo2, granite, smollm3, gpt2, starcoder2, stablelm,
	commandR, cohere2, glm4, seedOSS, exaone4}

// Architectures names the supported architectures.
func Architectures() []string {
	var names []string
	for _, a := range architectures {
		names = append(names, a.Name)
	}
	sort.Strings(names)
	return names
}

// architectureOf finds the architecture a source names.
func architectureOf(src Source) (Architecture, error) {
	name, ok := src.String("general.architecture")
	if !ok {
		return Architecture{}, fmt.Errorf("model: metadata general.architecture is missing")
	}
	for _, a := range architectures {
		if a.Name == name {
			return a, nil
		}
	}
	return Architecture{}, fmt.Errorf("model: architecture %q is not supported (%s)", name, strings.Join(Architectures(), ", "))
}

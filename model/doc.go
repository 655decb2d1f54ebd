// Package model puts a model's weights on the GPU and runs its forward pass over ragged batches.
//
// An architecture is a short file that lays shared blocks end to end (llama.go, qwen2.go; registry in architecture.go).
// The package schedules nothing and allocates no cache blocks: it computes what a batch says, where it says.
package model

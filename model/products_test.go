package model

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/model/gguf"
)

// TestProducts: the head is among a plan's products, each is named once, and there is room for all that defaults sum in parts.
func TestProducts(t *testing.T) {
	shape, err := ShapeOf("gopher-28m")
	require.NoError(t, err)
	p, err := PlanFor(Synthetic(shape, gguf.Q8_0), Options{Sequences: 32}, gpu.Limits{BufferSize: 1 << 30, StorageBindingSize: 1 << 30})
	require.NoError(t, err)
	var names []string
	for _, s := range p.Products() {
		names = append(names, s.Product())
	}
	assert.Equal(t, []string{"q8_0 1024x512 norm", "q8_0 512x512", "q8_0 3072x512 norm gate", "q8_0 512x1536", "q8_0 8192x512"}, names)
	head := p.Products()[4]
	assert.True(t, head.Outputs)
	require.Positive(t, head.PartsBytes(p.Outputs))
	for _, s := range p.products() {
		assert.LessOrEqual(t, uint64(s.PartsBytes(map[bool]int{true: p.Outputs, false: p.BatchTokens}[s.Outputs])), p.scratch.sums, s.Product())
	}
}

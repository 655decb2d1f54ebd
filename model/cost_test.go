package model_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/model"
)

// TestCosts: every tensor a token needs is read once, the embeddings of a tied model whole and once more a row.
func TestCosts(t *testing.T) {
	limits := gpu.Limits{BufferSize: 1 << 30, StorageBindingSize: 1 << 30}
	for _, name := range []string{"gopher-draft-4m-q8_0.gguf", "oracle/arch/qwen2.gguf", "oracle/arch/llama3-scaled.gguf"} {
		f := open(t, name)
		p, err := model.PlanFor(f, model.Options{}, limits)
		require.NoError(t, err)
		costs := p.Costs()
		_, untied := f.Tensor("output.weight")
		for _, x := range f.Tensors {
			c := costs[x.Name]
			switch {
			case x.Name == "rope_freqs.weight": // the host's
				assert.Zero(t, c, x.Name)
			case x.Name == "token_embd.weight" && untied:
				assert.Equal(t, model.Cost{Bytes: x.Size / x.Dims[1]}, c, x.Name)
			case x.Name == "token_embd.weight":
				assert.Equal(t, model.Cost{Bytes: x.Size + x.Size/x.Dims[1], FLOP: 2 * x.Elements()}, c, x.Name)
			case len(x.Dims) == 1:
				assert.Equal(t, model.Cost{Bytes: x.Size, FLOP: x.Elements()}, c, x.Name)
			default:
				assert.Equal(t, model.Cost{Bytes: x.Size, FLOP: 2 * x.Elements()}, c, x.Name)
			}
		}
	}
}

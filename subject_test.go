package umbra_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/model"
	"umbra/model/gguf"
)

// soak has tests run on the larger model, and more of them.
var soak = os.Getenv("UMBRA_SOAK") != ""

// subject is the model of tests of how requests run together, which say the same of any model: the smaller one, with UMBRA_SOAK=1 the larger.
func subject() string {
	if soak {
		return gopher
	}
	return draft
}

// subjectGreedy is what subject goes on with after the prompts of the other engine's list, each alone; that engine's own tokens, where it has them.
func subjectGreedy(t *testing.T) []greedy {
	list := oracle(t)
	if soak {
		return list
	}
	alone.Lock()
	defer alone.Unlock()
	if alone.list != nil {
		return alone.list
	}
	e := open(t, draft, umbra.Options{Context: 384, Sequences: 1, NoPrefixReuse: true})
	for i := range list {
		a := generate(context.Background(), e, umbra.Request{Tokens: list[i].PromptIDs, MaxTokens: 48})
		require.NoError(t, a.err)
		if list[i].IDs = a.tokens; a.Usage.Generated > len(a.tokens) {
			list[i].IDs = append(list[i].IDs, 1) // the end
		}
	}
	require.NoError(t, e.Close())
	alone.list = list
	return list
}

// alone keeps what subjectGreedy has found out.
var alone struct {
	sync.Mutex
	list []greedy
}

// draftModel is a draft for subject, which agrees with it often and not always: for the larger model the smaller, for that its first layer alone.
func draftModel(t testing.TB) model.Source {
	if soak {
		return smaller(t)
	}
	return firstLayer(t)
}

func smaller(t testing.TB) *gguf.File {
	f, err := gguf.Open(draft)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// firstLayer is the smaller model without its second and last layer.
func firstLayer(t testing.TB) model.Source {
	f := smaller(t)
	var metadata []gguf.KV
	for _, key := range f.Keys() {
		value, _ := f.Value(key)
		if key == "llama.block_count" {
			value = uint32(1)
		}
		metadata = append(metadata, gguf.KV{Key: key, Value: value})
	}
	var tensors []gguf.Tensor
	for _, tensor := range f.Tensors {
		if !strings.HasPrefix(tensor.Name, "blk.1.") {
			tensors = append(tensors, tensor)
		}
	}
	first, err := gguf.Assemble(metadata, tensors, func(t gguf.Tensor, from, to uint64) []byte {
		whole, _ := f.Tensor(t.Name)
		return f.Range(whole, from, to)
	}, nil)
	require.NoError(t, err)
	return first
}

package model_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model"
	"umbra/model/gguf"
)

func TestFingerprint(t *testing.T) {
	raw, err := os.ReadFile(testdata + "oracle/arch/qwen2.gguf")
	require.NoError(t, err)
	print := func(raw []byte) string {
		f, err := gguf.Parse(raw)
		require.NoError(t, err)
		return model.Fingerprint(f)
	}
	f, err := gguf.Parse(raw)
	require.NoError(t, err)
	whole := print(raw)
	assert.Len(t, whole, 64)
	assert.Equal(t, whole, model.Fingerprint(open(t, "oracle/arch/qwen2.gguf")), "the same from a mapping")
	changed := func(at int) string {
		b := bytes.Clone(raw)
		b[at] ^= 1
		return print(b)
	}
	assert.NotEqual(t, whole, changed(bytes.Index(raw, []byte("tiny"))), "metadata")
	for _, tensor := range f.Tensors {
		assert.NotEqual(t, whole, changed(int(tensor.Offset)), "the beginning of %s", tensor.Name)
		assert.NotEqual(t, whole, changed(int(tensor.Offset+tensor.Size)-1), "the end of %s", tensor.Name)
	}
}

package gguf

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAssemble takes a file apart and assembles it again: it is the same, at the same places.
func TestAssemble(t *testing.T) {
	whole := sample(t)
	want, err := Parse(whole)
	require.NoError(t, err)
	closed := 0
	got, err := Assemble(want.Metadata, want.Tensors, func(x Tensor, from, to uint64) []byte {
		of, _ := want.Tensor(x.Name)
		return want.Range(of, from, to)
	}, func() error { closed++; return errors.New("closed") })
	require.NoError(t, err)
	requireSame(t, want, got)
	again, err := Parse(rewrite(t, want))
	require.NoError(t, err)
	assert.Equal(t, again.Tensors, got.Tensors)
	assert.Equal(t, again.Size(), got.Size())
	for _, x := range got.Tensors {
		assert.True(t, bytes.Equal(got.Data(x)[1:x.Size-1], got.Range(x, 1, x.Size-1)))
		v, ok := got.Tensor(x.Name)
		assert.True(t, ok)
		assert.Equal(t, x, v)
	}
	require.ErrorContains(t, got.Close(), "closed")
	require.NoError(t, got.Close())
	assert.Equal(t, 1, closed)
}

func TestAssembleRefuses(t *testing.T) {
	_, err := Assemble([]KV{{"a", 1}}, nil, nil, nil)
	require.ErrorIs(t, err, ErrValue)
	_, err = Assemble(nil, []Tensor{{Name: "a", Type: Q4_0, Dims: []uint64{33}}}, nil, nil)
	require.ErrorIs(t, err, ErrShape)
	_, err = Assemble(nil, []Tensor{{Name: "a", Dims: []uint64{3}}, {Name: "a", Dims: []uint64{3}}}, nil, nil)
	require.ErrorIs(t, err, ErrDuplicate)
}

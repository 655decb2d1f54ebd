package tokenizer

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOracle compares with what llama.cpp makes of the same texts with the same vocabulary.
func TestOracle(t *testing.T) {
	data, err := os.ReadFile("../../testdata/oracle/gopher-tokens.json")
	require.NoError(t, err)
	var rows []struct {
		Text           string
		IDs            []int32
		IDsWithSpecial []int32 `json:"ids_with_special"`
	}
	require.NoError(t, json.Unmarshal(data, &rows))
	require.NotEmpty(t, rows)
	tok := gopher(t)
	for _, row := range rows {
		assert.Equal(t, row.IDs, tok.Encode(row.Text, EncodeOptions{}), "%q", row.Text)
		assert.Equal(t, row.IDsWithSpecial, tok.Encode(row.Text, EncodeOptions{ParseSpecial: true}), "%q, special", row.Text)
		assert.Equal(t, row.Text, tok.Decode(row.IDs))
	}
}

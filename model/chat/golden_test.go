package chat

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestGoldens renders all templates with all cases and compares with what jinja2 gave (testdata/make_goldens.py), byte for byte. Where that
// failed this must fail too; the words are compared where a template chose them.
func TestGoldens(t *testing.T) {
	var goldens map[string]struct {
		Text  string
		Error *string
	}
	data, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &goldens))
	data, err = os.ReadFile("testdata/cases.json")
	require.NoError(t, err)
	cases, err := decode(data)
	require.NoError(t, err)
	templates, err := filepath.Glob("testdata/templates/*.jinja")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(templates), 12)
	require.Len(t, goldens, len(templates)*len(cases.AsDict().Keys))
	for _, path := range templates {
		name := strings.TrimSuffix(filepath.Base(path), ".jinja")
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		tmpl, err := compile(string(source))
		require.NoError(t, err, name)
		for _, c := range cases.AsDict().Keys {
			t.Run(name+"/"+c, func(t *testing.T) {
				golden, ok := goldens[name+"/"+c]
				require.True(t, ok)
				got, err := tmpl.render(cases.AsDict().Data[c].AsDict().Data, time.Date(2025, 3, 7, 9, 5, 2, 0, time.UTC))
				var raised *Exception
				switch {
				case golden.Error == nil:
					require.NoError(t, err)
					require.Equal(t, golden.Text, got)
				case errors.As(err, &raised):
					require.Equal(t, *golden.Error, raised.Message)
				default:
					require.Error(t, err, *golden.Error)
				}
			})
		}
	}
}

package main

import (
	"encoding/json"
	"io"
)

// writeJSON writes a value for eyes and programs alike: indented, and with < and > as they are.
func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

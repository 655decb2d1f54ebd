package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"umbra/model/gguf"
)

// fingerprintEdge is how much of either end of a tensor's data goes into a fingerprint.
const fingerprintEdge = 4 << 10

// Fingerprint tells a model file from others: SHA-256 over all metadata, all tensors' names, types and shapes, and both
// ends of each tensor's data. It reads a few KB of each tensor, not gigabytes, and so does not notice a change in the middle of
// one: it tells models apart, and is no proof against forgery.
func Fingerprint(f *gguf.File) string {
	h := sha256.New()
	for _, kv := range f.Metadata {
		fmt.Fprintf(h, "%q %T %v\n", kv.Key, kv.Value, kv.Value)
	}
	for _, t := range f.Tensors {
		fmt.Fprintf(h, "%q %v %v\n", t.Name, t.Type, t.Dims)
		edge := min(t.Size, fingerprintEdge)
		h.Write(f.Range(t, 0, edge))
		h.Write(f.Range(t, t.Size-edge, t.Size))
	}
	return hex.EncodeToString(h.Sum(nil))
}

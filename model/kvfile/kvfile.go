// Package kvfile reads and writes .umbra-kv files: the tokens of a sequence's beginning with their keys and values, so that
// a long prompt is paid for once. A file belongs to one model, KV type and block size, and is refused by any other.
//
// Layout, little-endian: the magic "umbra-kv", u32 version, u32 header bytes, u32 CRC-32 (IEEE) of the header, the header
// as JSON, and one zstd frame with a content checksum that holds the tokens as i32 and then the blocks.
package kvfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"umbra/internal/atomicfile"
	"umbra/model/filehead"
)

const (
	magic     = "umbra-kv"
	maxTokens = 1 << 26
)

// Errors that a file is refused with, wrapped with the path and what is wrong.
var (
	// ErrFormat: not such a file, or of a version that this program does not know.
	ErrFormat = errors.New("not an umbra-kv file of version 1")
	// ErrDamaged: cut short, or changed since it was written.
	ErrDamaged = filehead.ErrDamaged
	// ErrForeign: of another model, KV type or block size.
	ErrForeign = errors.New("the file belongs to another model or set-up")
)

var kind = filehead.Kind{Magic: magic, Version: 1, Err: ErrFormat}

// Header says what a file belongs to and how much it holds.
type Header struct {
	Model      string `json:"model"`            // the model's fingerprint
	KVType     string `json:"kv_type"`          // element type of the pages
	BlockSize  int    `json:"block_size"`       // tokens per block
	BlockBytes int    `json:"block_bytes"`      // bytes of a block
	Tokens     int    `json:"tokens"`           // a multiple of BlockSize
	Blocks     int    `json:"blocks,omitempty"` // 0: one for each BlockSize tokens
}

// blocks is the number of blocks a header speaks of.
func (h Header) blocks() int {
	if h.Blocks > 0 {
		return h.Blocks
	}
	return h.Tokens / h.BlockSize
}

// check refuses a header whose sizes cannot be.
func (h Header) check() error {
	if h.BlockSize < 1 || h.BlockBytes < 1 || h.BlockBytes > 1<<40/max(1, h.blocks()) || h.Tokens < 0 || h.Tokens > maxTokens || h.Blocks < 0 || h.Blocks > maxTokens || h.Tokens%h.BlockSize != 0 {
		return fmt.Errorf("%d tokens in blocks of %d, %d bytes each: %w", h.Tokens, h.BlockSize, h.BlockBytes, ErrDamaged)
	}
	return nil
}

// Save writes a file: tokens, and their blocks laid end to end, of any number. It appears under its name only when it is whole.
func Save(path string, h Header, tokens []int32, blocks []byte) error {
	h.Tokens, h.Blocks = len(tokens), 0
	if h.BlockSize > 0 && h.BlockBytes > 0 && len(blocks)%h.BlockBytes == 0 && len(blocks)/h.BlockBytes != h.blocks() {
		h.Blocks = len(blocks) / h.BlockBytes
	}
	if h.BlockSize < 1 || len(tokens)%h.BlockSize != 0 || len(blocks) != h.blocks()*h.BlockBytes {
		return fmt.Errorf("kvfile: %s: %d tokens and %d bytes do not make blocks of %d tokens and %d bytes", path, len(tokens), len(blocks), h.BlockSize, h.BlockBytes)
	}
	if err := atomicfile.Write(path, 0o600, func(f io.Writer) error { return write(f, h, tokens, blocks) }); err != nil {
		return fmt.Errorf("kvfile: %s: %w", path, err)
	}
	return nil
}

func write(w io.Writer, h Header, tokens []int32, blocks []byte) error {
	head, err := kind.Bytes(h)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
	if err != nil {
		return err
	}
	raw := make([]byte, 0, 4*len(tokens))
	for _, t := range tokens {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(t))
	}
	if _, err := z.Write(raw); err != nil {
		return err
	}
	if _, err := z.Write(blocks); err != nil {
		return err
	}
	return z.Close()
}

// Load reads a file that must belong to want, whose Tokens and Blocks are left out of the comparison.
func Load(path string, want Header) (tokens []int32, blocks []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("kvfile: %w", err)
	}
	defer f.Close()
	tokens, blocks, err = read(f, want)
	if err != nil {
		return nil, nil, fmt.Errorf("kvfile: %s: %w", path, err)
	}
	return tokens, blocks, nil
}

func read(r io.Reader, want Header) ([]int32, []byte, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, nil, err
	}
	want.Tokens, want.Blocks = h.Tokens, h.Blocks
	if h != want {
		return nil, nil, fmt.Errorf("it is of model %s, KV %s in blocks of %d tokens, not %s, %s, %d: %w",
			brief(h.Model), h.KVType, h.BlockSize, brief(want.Model), want.KVType, want.BlockSize, ErrForeign)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, nil, err
	}
	defer z.Close()
	// Grown as it is read: a header that promises more than there is costs no memory.
	size := int64(4*h.Tokens) + int64(h.blocks())*int64(h.BlockBytes)
	var data bytes.Buffer
	n, err := io.Copy(&data, io.LimitReader(z, size+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	if n != size {
		return nil, nil, fmt.Errorf("%d bytes of %d: %w", n, size, ErrDamaged)
	}
	tokens := make([]int32, h.Tokens)
	for i := range tokens {
		tokens[i] = int32(binary.LittleEndian.Uint32(data.Next(4)))
	}
	return tokens, data.Bytes(), nil
}

func readHeader(r io.Reader) (h Header, err error) {
	if err := kind.Read(r, &h); err != nil {
		return h, err
	}
	return h, h.check()
}

// brief shortens a fingerprint for people.
func brief(s string) string {
	if len(s) > 12 {
		return s[:12]
	}
	return s
}

// Package filehead writes and reads how umbra's own files begin.
//
// Layout, little-endian: a magic word, u32 version, u32 header bytes, u32 CRC-32 (IEEE) of the header, and the header as JSON.
package filehead

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// maxHeader is how many bytes a header may have.
const maxHeader = 1 << 16

// ErrDamaged is of files cut short, or changed since they were written.
var ErrDamaged = errors.New("the file is damaged; delete it, and save again")

// Kind is a kind of file.
type Kind struct {
	Magic   string
	Version uint32
	Err     error // of files of another kind, or of another version
}

// Bytes is the beginning of a file with a header that JSON can hold.
func (k Kind) Bytes(header any) ([]byte, error) {
	text, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	head := []byte(k.Magic)
	for _, v := range []uint32{k.Version, uint32(len(text)), crc32.ChecksumIEEE(text)} {
		head = binary.LittleEndian.AppendUint32(head, v)
	}
	return append(head, text...), nil
}

// Read reads a file's beginning, and its header into what header points to. It fails with Err, or an ErrDamaged wrapped with what is wrong.
func (k Kind) Read(r io.Reader, header any) error {
	head := make([]byte, len(k.Magic)+12)
	if _, err := io.ReadFull(r, head); err != nil {
		return k.Err
	}
	at := func(i int) uint32 { return binary.LittleEndian.Uint32(head[len(k.Magic)+4*i:]) }
	if string(head[:len(k.Magic)]) != k.Magic || at(0) != k.Version {
		return k.Err
	}
	if at(1) > maxHeader {
		return fmt.Errorf("a header of %d bytes: %w", at(1), ErrDamaged)
	}
	text := make([]byte, at(1))
	if _, err := io.ReadFull(r, text); err != nil {
		return fmt.Errorf("it ends in its header: %w", ErrDamaged)
	}
	if crc32.ChecksumIEEE(text) != at(2) {
		return fmt.Errorf("its header's checksum is wrong: %w", ErrDamaged)
	}
	if err := json.Unmarshal(text, header); err != nil {
		return fmt.Errorf("its header: %w", ErrDamaged)
	}
	return nil
}

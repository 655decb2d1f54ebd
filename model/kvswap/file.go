package kvswap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// A file, little-endian: the magic, u32 version, u64 id of the entry, u32 blocks, u32 CRC-32 (IEEE) of all before, and one
// zstd frame with a content checksum that holds the blocks end to end.
const (
	magic       = "umbra-swap"
	version     = 1
	headerBytes = len(magic) + 20

	window = 4 << 20 // bytes, the most that a frame may look back
)

var errFormat = errors.New("it is not a swap file of version 1, or its header is damaged")

// header is what a file says of its entry.
type header struct {
	id     uint64
	blocks int
}

func (h header) encode() []byte {
	b := binary.LittleEndian.AppendUint32([]byte(magic), version)
	b = binary.LittleEndian.AppendUint64(b, h.id)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.blocks))
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// newEncoder makes an encoder without goroutines. KV floats compress little, so it is the fastest.
func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
}

// newDecoder makes a decoder without goroutines.
func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window))
}

func write(w io.Writer, z *zstd.Encoder, h header, data []byte) error {
	if _, err := w.Write(h.encode()); err != nil {
		return err
	}
	z.Reset(w)
	defer z.Reset(nil) // it must not keep w
	if _, err := z.Write(data); err != nil {
		return err
	}
	return z.Close()
}

func readFile(path string, z *zstd.Decoder, want header, blockBytes int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := read(f, z, want, blockBytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// read reads the blocks of a file that must be of the entry wanted. It takes memory for these and no more, whatever the file
// says.
func read(r io.Reader, z *zstd.Decoder, want header, blockBytes int) ([]byte, error) {
	head := make([]byte, headerBytes)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	at := len(magic)
	if string(head[:at]) != magic || binary.LittleEndian.Uint32(head[at:]) != version ||
		crc32.ChecksumIEEE(head[:headerBytes-4]) != binary.LittleEndian.Uint32(head[headerBytes-4:]) {
		return nil, errFormat
	}
	id, blocks := binary.LittleEndian.Uint64(head[at+4:]), binary.LittleEndian.Uint32(head[at+12:])
	if id != want.id || uint64(blocks) != uint64(want.blocks) {
		return nil, fmt.Errorf("it holds %d blocks of entry %d, not %d of %d", blocks, id, want.blocks, want.id)
	}
	if err := z.Reset(r); err != nil {
		return nil, err
	}
	defer z.Reset(nil) // it must not keep r
	data := make([]byte, want.blocks*blockBytes)
	if n, err := io.ReadFull(z, data); err != nil {
		return nil, fmt.Errorf("it ends after %d bytes of %d: %w", n, len(data), err)
	}
	switch n, err := io.ReadFull(z, make([]byte, 1)); {
	case n > 0:
		return nil, fmt.Errorf("it holds more than %d bytes", len(data))
	case err != io.EOF: // the checksum is wrong, or something follows
		return nil, err
	}
	return data, nil
}

package kvswap

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// encoded is an entry's file.
func encoded(t testing.TB, h header, data []byte) []byte {
	z, err := newEncoder()
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, write(&b, z, h, data))
	return b.Bytes()
}

func TestFileRoundTrip(t *testing.T) {
	encoder, err := newEncoder()
	require.NoError(t, err)
	decoder, err := newDecoder()
	require.NoError(t, err)
	defer decoder.Close()
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{1, 7, 1 << 10, 1<<17 - 1, 1 << 17, 1<<17 + 1, 9<<20 + 5} { // about zstd's blocks and windows
		random := make([]byte, size)
		for i := range random {
			random[i] = byte(r.Uint32())
		}
		for _, data := range [][]byte{random, make([]byte, size), bytes.Repeat(random, 3)} {
			h := header{r.Uint64(), len(data)}
			var b bytes.Buffer
			require.NoError(t, write(&b, encoder, h, data))
			got, err := read(&b, decoder, h, 1)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
		}
	}
}

// TestDamaged cuts a file at every length and changes every byte: none may pass for whole.
func TestDamaged(t *testing.T) {
	z, err := newDecoder()
	require.NoError(t, err)
	defer z.Close()
	h := header{77, 2}
	data := contents(77, 2)
	whole := encoded(t, h, data)
	for n := range whole {
		_, err := read(bytes.NewReader(whole[:n]), z, h, blockBytes)
		require.Error(t, err, "cut at %d of %d", n, len(whole))
	}
	for i := range whole {
		for bit := range 8 {
			bad := bytes.Clone(whole)
			bad[i] ^= 1 << bit
			got, err := read(bytes.NewReader(bad), z, h, blockBytes)
			if err == nil { // a bit that means nothing, such as a reserved one
				require.True(t, bytes.Equal(data, got), "byte %d, bit %d", i, bit)
				require.GreaterOrEqual(t, i, headerBytes)
			}
		}
	}
	for _, c := range []struct {
		file []byte
		want header
		text string
	}{
		{whole, header{78, 2}, "it holds 2 blocks of entry 77, not 2 of 78"},
		{whole, header{77, 3}, "it holds 2 blocks of entry 77, not 3 of 77"},
		{encoded(t, h, data[1:]), h, "it ends after 1999 bytes of 2000"},
		{encoded(t, h, append(bytes.Clone(data), 0)), h, "it holds more than 2000 bytes"},
		{append(bytes.Clone(whole), whole[headerBytes:]...), h, "it holds more than 2000 bytes"},
		{append(bytes.Clone(whole), 'x'), h, "EOF"},
		{nil, h, "its header: EOF"},
		{bytes.Repeat([]byte("x"), 3000), h, errFormat.Error()},
	} {
		_, err := read(bytes.NewReader(c.file), z, c.want, blockBytes)
		require.ErrorContains(t, err, c.text)
	}
	got, err := read(bytes.NewReader(whole), z, h, blockBytes)
	require.NoError(t, err, "the decoder is good after all that")
	require.True(t, bytes.Equal(data, got))
}

func FuzzRead(f *testing.F) {
	h := header{5, 3}
	const size = 50
	data := contents(5, 1)[:3*size]
	whole := encoded(f, h, data)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(bytes.Clone(whole), whole[headerBytes:]...))
	f.Add(encoded(f, h, make([]byte, 3*size)))
	f.Add(encoded(f, h, make([]byte, 1<<20)))
	f.Add(append(h.encode(), 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff)) // a frame with a window beyond all bounds
	f.Add([]byte(magic))
	z, err := newDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(z.Close)
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, file := range [][]byte{file, append(h.encode(), file...)} { // few guess the checksum
			got, err := read(bytes.NewReader(file), z, h, size)
			if err == nil && len(got) != 3*size || err != nil && got != nil {
				t.Fatalf("%d bytes, error %v", len(got), err)
			}
		}
		if got, err := read(bytes.NewReader(whole), z, h, size); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("the decoder is spoilt: %v", err)
		}
	})
}

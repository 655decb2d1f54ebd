package tokenizer

import "unicode/utf8"

// Stream decodes tokens one at a time into text that is always valid UTF-8: bytes that may yet become a rune are held
// back until they do. Bytes that can't become U+FFFD, one for each maximal subpart of a rune (Unicode 3.9, "U+FFFD
// Substitution of Maximal Subparts"; also what browsers do).
//
// All that Next and Flush return, joined, is thus Decode's bytes with the same substitution, however the bytes were
// spread over tokens. A Stream serves one sequence and one goroutine.
type Stream struct {
	// Special makes special tokens give their text rather than nothing.
	Special bool

	t    *Tokenizer
	held []byte // the beginning of a rune
}

// Stream returns a decoder for one sequence of tokens.
func (t *Tokenizer) Stream() *Stream { return &Stream{t: t} }

// Next takes the next token and returns the text that is certain now, which may be none.
func (s *Stream) Next(id int32) string {
	piece := s.t.Piece(id)
	if s.Special {
		piece = s.t.Render(id)
	}
	return s.Bytes(piece)
}

// Bytes takes the next bytes of the text, as Next takes a token's, for who has cut them from tokens before (stop strings).
func (s *Stream) Bytes(piece []byte) string {
	if len(s.held) == 0 && utf8.Valid(piece) {
		return string(piece)
	}
	s.held = append(s.held, piece...)
	out, rest := validText(s.held)
	s.held = append(s.held[:0], rest...)
	return out
}

// Flush returns what was held back, as U+FFFD, and leaves the stream as new. Call it after the last token.
func (s *Stream) Flush() string {
	if len(s.held) == 0 {
		return ""
	}
	s.held = s.held[:0]
	return string(utf8.RuneError) // held bytes are the beginning of one rune: one maximal subpart
}

// validText returns b with U+FFFD for each maximal subpart that is not a rune, up to rest, which may begin one.
func validText(b []byte) (text string, rest []byte) {
	out := make([]byte, 0, len(b)+2*utf8.UTFMax)
	for len(b) > 0 {
		if !utf8.FullRune(b) {
			return string(out), b
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = subpart(b)
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return string(out), nil
}

// subpart returns the length of the maximal subpart that b, which begins with no rune, begins with: the longest
// beginning of b that is also the beginning of a rune, or else one byte.
func subpart(b []byte) int {
	n := 1
	for n < len(b) && !utf8.FullRune(b[:n+1]) {
		n++
	}
	return n
}

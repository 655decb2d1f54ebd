package tokenizer

// The byte alphabet of GPT-2 (bytes_to_unicode in its encoder.py) spells every byte as one printable rune, so that
// vocabularies can be text files: printable Latin-1 stands for itself, and the 68 bytes that aren't printable become
// U+0100, U+0101, ... in order. A space is Ġ, a newline Ċ.

const alphabetEnd = 0x100 + 68 // one past the last rune of the alphabet

var (
	byteToRune [256]rune
	runeToByte [alphabetEnd]int16 // -1: not in the alphabet
)

func init() {
	for r := range runeToByte {
		runeToByte[r] = -1
	}
	next := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if !(r >= '!' && r <= '~' || r >= '¡' && r <= '¬' || r >= '®' && r <= 'ÿ') {
			r, next = next, next+1
		}
		byteToRune[b] = r
		runeToByte[r] = int16(b)
	}
}

// spellOut returns the bytes that text, written in the byte alphabet, stands for.
// It reports false if text has a rune outside the alphabet.
func spellOut(text string) (string, bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r >= alphabetEnd || runeToByte[r] < 0 {
			return "", false
		}
		out = append(out, byte(runeToByte[r]))
	}
	return string(out), true
}

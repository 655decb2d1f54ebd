// Package klfile reads and writes .umbra-kl files: what one model makes of each scored token of a text, so that others can be
// compared with it without running it again. A file holds the text's tokens and, for each scored one, the log-probabilities of the
// whole vocabulary in steps of 1/4096 down to 16 below the best.
//
// Layout, little-endian: the magic "umbra-kl", u32 version, u32 header bytes, u32 CRC-32 (IEEE) of the header, the header as JSON, and
// one zstd frame with a content checksum. The frame holds the text's tokens as i32 and then the rows, each: u32 best token, f32 its
// log-probability, f32 the scored token's, and for each token of the vocabulary how far it is below the best in steps, 65535 standing for
// that far and farther: the high bytes of all, then the low ones, which compresses better.
package klfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"umbra/model/filehead"
)

const (
	magic     = "umbra-kl"
	maxTokens = 1 << 28
	maxVocab  = 1 << 24
)

// Errors that a file is refused with, wrapped with the path and what is wrong.
var (
	// ErrFormat: not such a file, or of a version that this program does not know.
	ErrFormat = errors.New("not an umbra-kl file of version 1")
	// ErrDamaged: cut short, or changed since it was written.
	ErrDamaged = filehead.ErrDamaged
)

var kind = filehead.Kind{Magic: magic, Version: 1, Err: ErrFormat}

// Header says what a file was made with.
type Header struct {
	Model       string `json:"model"`       // what the model is called
	Fingerprint string `json:"fingerprint"` // model.Fingerprint
	Tokenizer   string `json:"tokenizer"`   // tells vocabularies apart
	Vocab       int    `json:"vocab"`       // logits of a row
	Context     int    `json:"context"`     // tokens of a window
	Stride      int    `json:"stride"`      // 0: windows do not overlap
	BOS         int32  `json:"bos"`         // what begins each window, below 0 for nothing
	Tokens      int    `json:"tokens"`      // of the text
	Rows        int    `json:"rows"`        // scored tokens
}

func (h Header) check() error {
	if h.Vocab < 1 || h.Vocab > maxVocab || h.Tokens < 1 || h.Tokens > maxTokens || h.Rows < 1 || h.Rows > maxTokens {
		return fmt.Errorf("%d rows of %d tokens, vocabulary %d: %w", h.Rows, h.Tokens, h.Vocab, ErrDamaged)
	}
	return nil
}

// Codes count steps below a row's best log-probability.
const (
	// Steps is how many steps there are to a natural logarithm of 1.
	Steps = 4096
	// Floor is the last code: so far below the best, or farther.
	Floor = math.MaxUint16
)

// Row is a probability distribution over the vocabulary.
type Row struct {
	Best   int32    // the likeliest token, the smaller id of two
	Top    float32  // its log-probability
	Target float32  // the scored token's
	Codes  []uint16 // of each token, how far it is below the best
}

// Encode makes a row of logits, in r's room. It reports false for logits that are no distribution: NaN or +inf among them, or nothing else
// than -inf.
func (r *Row) Encode(logits []float32, target int32) bool {
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	top, sum := float64(logits[best]), 0.0
	r.Codes = r.Codes[:0]
	for _, v := range logits {
		below := top - float64(v)
		sum += math.Exp(-below)
		r.Codes = append(r.Codes, code(below))
	}
	lse := math.Log(sum)
	r.Best, r.Top, r.Target = int32(best), float32(-lse), float32(float64(logits[target])-top-lse)
	return !math.IsNaN(lse) && !math.IsInf(lse, 0)
}

func code(below float64) uint16 {
	if below < Floor/float64(Steps) {
		return uint16(math.Round(below * Steps))
	}
	return Floor
}

// LogProb is the log-probability of a code.
func (r *Row) LogProb(code uint16) float64 { return float64(r.Top) - float64(code)/Steps }

// rowBytes is what a row takes.
func rowBytes(vocab int) int { return 12 + 2*vocab }

func (r *Row) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(r.Best))
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(r.Top))
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(r.Target))
	for _, c := range r.Codes {
		b = append(b, byte(c>>8))
	}
	for _, c := range r.Codes {
		b = append(b, byte(c))
	}
	return b
}

// decode reads a row and refuses one that cannot be.
func (r *Row) decode(b []byte) error {
	r.Best = int32(binary.LittleEndian.Uint32(b))
	r.Top = math.Float32frombits(binary.LittleEndian.Uint32(b[4:]))
	r.Target = math.Float32frombits(binary.LittleEndian.Uint32(b[8:]))
	high, low := b[12:12+(len(b)-12)/2], b[12+(len(b)-12)/2:]
	r.Codes = r.Codes[:0]
	for i := range high {
		r.Codes = append(r.Codes, uint16(high[i])<<8|uint16(low[i]))
	}
	if r.Best < 0 || int(r.Best) >= len(r.Codes) || r.Codes[r.Best] != 0 || !(r.Top <= 0 && r.Target <= r.Top) {
		return fmt.Errorf("a row whose best token %d has log-probability %v: %w", r.Best, r.Top, ErrDamaged)
	}
	return nil
}

func readHeader(r io.Reader) (h Header, err error) {
	if err := kind.Read(r, &h); err != nil {
		return h, err
	}
	return h, h.check()
}

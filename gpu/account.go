package gpu

import "fmt"

// Purpose says what a buffer's bytes are counted as.
type Purpose uint8

// Purposes.
const (
	Weights Purpose = iota
	KV
	Scratch
	purposes
)

func (p Purpose) String() string { return [...]string{"weights", "kv", "scratch"}[p] }

// Account is the number of bytes of live buffers by Purpose. Staging buffers for readbacks count as Scratch.
type Account [purposes]uint64

// Total is the sum over purposes.
func (a Account) Total() uint64 {
	var n uint64
	for _, b := range a {
		n += b
	}
	return n
}

func (a Account) String() string {
	return fmt.Sprintf("weights %d, kv %d, scratch %d bytes", a[Weights], a[KV], a[Scratch])
}

package main

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"umbra"
	"umbra/cmd/umbra/internal/term"
	"umbra/model"
	"umbra/scheduler"
)

// capacityFlags size what runs at once.
type capacityFlags struct {
	KVMemory       kvMemory `name:"kv-memory" placeholder:"SIZE" help:"Memory for keys and values: bytes, or with a suffix as 512MiB, 4GiB, or 80% of what weights leave of the adapter's memory, where its size is known. Default: one whole context, and for more sequences up to 1 GiB."`
	MaxSequences   int      `placeholder:"N" help:"Run at most this many sequences at once."`
	MaxBatchTokens int      `placeholder:"N" help:"Compute at most this many token rows in a step. Default: 512, or --max-sequences if that is more."`
	NoPrefixReuse  bool     `help:"Compute every prompt from its first token, even where KV pages of the same beginning are there."`
	Preempt        string   `enum:"auto,recompute,swap" default:"auto" help:"What becomes of keys and values that give way to an earlier sequence where KV memory is full: recompute forgets them and computes them again, swap keeps them in host memory meanwhile, auto is the cheaper as measured (${default})."`
	SwapMemory     byteSize `placeholder:"SIZE" help:"Host memory for --preempt, taken as needed. Default: 1 GiB."`
	SwapDisk       byteSize `placeholder:"SIZE" help:"How much more may go to files, compressed. Default: none."`
	SwapDir        string   `placeholder:"DIR" help:"Where those files are. Default: the system's folder for temporary ones."`
}

func (f capacityFlags) validate() error {
	switch {
	case f.MaxSequences < 0:
		return fmt.Errorf("--max-sequences %d must be at least 1", f.MaxSequences)
	case f.MaxBatchTokens < 0:
		return fmt.Errorf("--max-batch-tokens %d must be at least 1", f.MaxBatchTokens)
	case f.MaxBatchTokens > 0 && f.MaxBatchTokens < f.MaxSequences:
		return fmt.Errorf("--max-batch-tokens %d must be at least --max-sequences (%d): each sequence needs a row in every step", f.MaxBatchTokens, f.MaxSequences)
	case f.Preempt == "recompute" && (f.SwapMemory > 0 || f.SwapDisk > 0 || f.SwapDir != ""):
		return errors.New("--swap-memory, --swap-disk and --swap-dir are for --preempt swap or auto; nothing is swapped with recompute")
	case f.SwapDir != "" && f.SwapDisk == 0:
		return fmt.Errorf("--swap-dir %s needs --swap-disk: without it nothing goes to files", f.SwapDir)
	}
	return nil
}

// apply puts what was given into options; sequences counts where --max-sequences was not.
func (f capacityFlags) apply(o *umbra.Options, sequences int) {
	o.NoPrefixReuse = f.NoPrefixReuse
	o.Preemption = f.preemption()
	o.SwapBytes, o.SwapDiskBytes, o.SwapDir = uint64(f.SwapMemory), uint64(f.SwapDisk), f.SwapDir
	o.KVBytes, o.KVShare = uint64(f.KVMemory.bytes), f.KVMemory.share
	o.BatchTokens, o.Sequences = f.MaxBatchTokens, f.MaxSequences
	if o.Sequences == 0 {
		o.Sequences = sequences
		if o.BatchTokens > 0 {
			o.Sequences = min(o.Sequences, o.BatchTokens)
		}
	}
}

// preemption is what --preempt names.
func (f capacityFlags) preemption() scheduler.Preemption {
	p, err := scheduler.ParsePreemption(f.Preempt)
	if err != nil {
		panic(err) // kong lets nothing else through
	}
	return p
}

// planText says what a plan has room for.
func planText(p model.Plan) string {
	return fmt.Sprintf("%s at once, %s a step, context %d, KV %s for %d tokens (%s)", plural(p.Sequences, "sequence"),
		plural(p.BatchTokens, "row"), p.Context, term.Bytes(p.KV), p.Tokens(), p.KVType)
}

// kvMemory is a size, or a share of memory, on the command line.
type kvMemory struct {
	bytes byteSize
	share float64
}

// UnmarshalText reads what byteSize does, or "80%".
func (k *kvMemory) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	if !ok {
		return k.bytes.UnmarshalText(text)
	}
	percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(percent > 0 && percent <= 100) {
		return fmt.Errorf("%q is not a share of memory; give more than 0%%, at most 100%%", text)
	}
	k.share = percent / 100
	return nil
}

// byteSize is a number of bytes on the command line.
type byteSize uint64

// UnmarshalText reads "1048576", "1MiB", "1M" or "0.5GiB"; units are of 1024.
func (b *byteSize) UnmarshalText(text []byte) error {
	wrong := fmt.Errorf("%q is not a size; give bytes, or a number with KiB, MiB, GiB or TiB", text)
	number := strings.TrimSpace(string(text))
	at := strings.IndexFunc(number, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	unit := uint64(1)
	if at >= 0 {
		suffix := strings.ToLower(strings.TrimSpace(number[at:]))
		number = number[:at]
		if len(suffix) > 1 {
			suffix = strings.TrimSuffix(strings.TrimSuffix(suffix, "b"), "i")
		}
		shift := map[string]int{"b": 0, "k": 10, "m": 20, "g": 30, "t": 40}
		bits, ok := shift[suffix]
		if !ok {
			return wrong
		}
		unit <<= bits
	}
	if n, err := strconv.ParseUint(number, 10, 64); err == nil {
		high, low := bits.Mul64(n, unit)
		if high != 0 || low == 0 {
			return wrong
		}
		*b = byteSize(low)
		return nil
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || v*float64(unit) < 1 || v*float64(unit) >= 1<<63 {
		return wrong
	}
	*b = byteSize(v * float64(unit))
	return nil
}

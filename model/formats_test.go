package model_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/model/gguf"
	"umbra/model/quant"
	"umbra/shaders"
)

// TestFormatsOracle: blocks of every type with planes, repacked, are on the device what another engine reads from them (testdata/oracle/quant.json),
// in a lookup and, of some types, in products with unit vectors: by a kernel of either shape; with UMBRA_SOAK=1 of all types, by all kernels that
// differ in how they decode. The others have shaders' TestCases, against a decoder that is held to the same values (model/quant).
func TestFormatsOracle(t *testing.T) {
	text, err := os.ReadFile("../testdata/oracle/quant.json")
	require.NoError(t, err)
	var oracle struct {
		Blocks map[string]struct {
			Rows, Cols    int
			Bytes, Values []byte
		}
	}
	require.NoError(t, json.Unmarshal(text, &oracle))
	d := gputest.Device(t)
	seen := 0
	for _, typ := range quant.PlaneTypes() {
		b, ok := oracle.Blocks[typ.String()]
		if !ok {
			require.Equal(t, gguf.F32, typ, "no blocks")
			continue
		}
		seen++
		want := make([]float32, b.Rows*b.Cols)
		require.NoError(t, quant.Dequantize(gguf.F32, b.Values, want))
		f, err := shaders.FormatOf(typ.String())
		require.NoError(t, err)
		l, err := quant.LayoutOf(typ, b.Cols)
		require.NoError(t, err)
		require.Equal(t, f.QuantBytes(b.Cols), l.QuantBytesPerRow, typ)
		require.Equal(t, f.ScaleBytes(b.Cols), l.ScaleBytesPerRow, typ)
		quants, scales := make([]byte, b.Rows*l.QuantBytesPerRow), make([]byte, b.Rows*l.ScaleBytesPerRow)
		require.NoError(t, l.Repack(b.Bytes, b.Rows, quants, scales))
		w := shaders.Weights{Quants: upload(t, d, quants)}
		if len(scales) > 0 {
			w.Scales = upload(t, d, scales)
		}

		gather, err := shaders.NewGather(d, shaders.GatherShape{Format: f, N: b.Rows, Cols: b.Cols})
		require.NoError(t, err)
		var ids []byte
		for row := range b.Rows {
			ids = binary.LittleEndian.AppendUint32(ids, uint32(row))
		}
		step, input, top := upload(t, d, shaders.Step{Rows: uint32(b.Rows)}.Append(nil)), upload(t, d, ids), upload(t, d, make([]byte, 16))
		y := upload(t, d, make([]byte, 4*len(want)))
		got := read(t, d, y, len(want), func(p *gpu.Pass) { gather.Run(p, b.Rows, step, input, w, top, y) })
		for i, v := range want {
			near(t, v, got[i], "%v: Gather, row %d, column %d", typ, i/b.Cols, i%b.Cols)
		}

		unit := make([]byte, 4*b.Cols*b.Cols)
		for c := range b.Cols {
			binary.LittleEndian.PutUint32(unit[4*(c*b.Cols+c):], math.Float32bits(1))
		}
		if !soak && typ != gguf.Q4_K && typ != gguf.Q5_1 && typ != gguf.MXFP4 {
			continue // those products have their cases in package shaders
		}
		x := upload(t, d, unit)
		stride := shaders.PadCols(b.Rows)
		y = upload(t, d, make([]byte, 4*b.Cols*stride))
		for _, narrow := range []bool{true, false} {
			linear, err := shaders.NewLinear(d, shaders.Tuning{Narrow: narrow}, shaders.LinearShape{Format: f, N: b.Rows, K: b.Cols, Stride: stride})
			require.NoError(t, err)
			sizes := []int{b.Cols}
			if soak {
				sizes = []int{1, 8, b.Cols} // those of fewer rows multiply the first columns only
			}
			for _, rows := range sizes {
				step := upload(t, d, shaders.Step{Rows: uint32(rows)}.Append(nil))
				got := read(t, d, y, rows*stride, func(p *gpu.Pass) {
					linear.Run(p, rows, shaders.LinearArgs{Step: step, X: x, Y: y, Weights: w})
				})
				for i, v := range want {
					if row, c := i/b.Cols, i%b.Cols; c < rows {
						near(t, v, got[c*stride+row], "%v: Linear of %d rows, narrow %v, row %d, column %d", typ, rows, narrow, row, c)
					}
				}
			}
		}
	}
	assert.Equal(t, 15, seen)
}

// near checks within 1e-6, relatively.
func near(t *testing.T, want, got float32, message string, args ...any) {
	if e := math.Abs(float64(got) - float64(want)); !(e <= 1e-6*math.Abs(float64(want))) {
		assert.Equal(t, want, got, append([]any{message}, args...)...)
	}
}

func upload(t *testing.T, d *gpu.Device, data []byte) *gpu.Buffer {
	b, err := d.NewBuffer("test", gpu.Scratch, uint64(len(data)+15)&^15)
	require.NoError(t, err)
	t.Cleanup(b.Release)
	require.NoError(t, d.Write(b, 0, data))
	return b
}

// read records work and reads n values of b back.
func read(t *testing.T, d *gpu.Device, b *gpu.Buffer, n int, record func(p *gpu.Pass)) []float32 {
	p := d.Begin("test")
	record(p)
	raw := make([]byte, 4*n)
	p.Read(b, 0, raw)
	fence, err := p.Submit()
	require.NoError(t, err)
	require.NoError(t, fence.Wait())
	values := make([]float32, n)
	require.NoError(t, quant.Dequantize(gguf.F32, raw, values))
	return values
}

package quant

import (
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// FuzzDequantize: any bytes of any type for any number of values are decoded, or refused; what is decoded and finite can be made into
// any format, or is refused, and that decodes again.
func FuzzDequantize(f *testing.F) {
	for _, typ := range Types() {
		f.Add(uint32(typ), make([]byte, typ.BlockBytes()), uint16(typ.BlockSize()))
		ff := make([]byte, 2*typ.BlockBytes())
		for i := range ff {
			ff[i] = 0xff
		}
		f.Add(uint32(typ), ff, uint16(2*typ.BlockSize()))
		f.Add(uint32(typ), ff[1:], uint16(2*typ.BlockSize()))
		f.Add(uint32(typ), ff[:typ.BlockBytes()], uint16(typ.BlockSize()-1))
	}
	f.Add(uint32(gguf.Q8_1), make([]byte, 36), uint16(32))
	f.Add(uint32(99), []byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, number uint32, src []byte, n uint16) {
		typ := gguf.Type(number)
		x := make([]float32, n)
		if err := Dequantize(typ, src, x); err != nil {
			return
		}
		require.Equal(t, len(src)*typ.BlockSize(), len(x)*typ.BlockBytes())
		for _, to := range Quantizable() {
			if len(x) == 0 || len(x)%to.BlockSize() != 0 {
				continue
			}
			dst := make([]byte, len(x)/to.BlockSize()*to.BlockBytes())
			if err := QuantizeRows(to, x, len(x), nil, 1, dst); err != nil {
				continue
			}
			y := make([]float32, len(x))
			require.NoError(t, Dequantize(to, dst, y))
			if to.BlockSize() == 1 {
				continue
			}
			for i, v := range y {
				require.False(t, v != v || v-v != 0, "%v: value %d, %v, became %v", to, i, x[i], v)
			}
		}
		if to, ok := Expansion(typ); ok && len(x) > 0 {
			_ = Expand(typ, src, len(x), 1, make([]byte, len(x)/32*to.BlockBytes()))
		}
	})
}

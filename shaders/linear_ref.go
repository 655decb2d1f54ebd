package shaders

import "math"

// LinearRef is the reference of Linear: w is N × K and x rows × K, unpadded; bias is Stride long,
// as y's rows are, and y is rows × Stride and is updated.
func LinearRef(s LinearShape, w, x, gain, bias, y []float32, rows int) {
	for t := range rows {
		xr := x[t*s.K : (t+1)*s.K]
		rms := 1.0
		if s.Norm {
			sum := 0.0
			for _, v := range xr {
				sum += float64(v) * float64(v)
			}
			rms = 1 / math.Sqrt(sum/float64(s.K)+float64(s.Eps))
		}
		row := func(n int) float64 {
			sum := 0.0
			for k, v := range xr {
				f := float64(v)
				if s.Norm {
					f *= rms * float64(gain[k])
				}
				sum += f * float64(w[n*s.K+k])
			}
			return sum
		}
		for n := range s.Outs() {
			var v float64
			if s.Gate {
				v = s.Activation.orSiLU().Of(row(2*n)) * row(2*n+1)
			} else {
				v = row(n)
			}
			if s.Bias {
				v += float64(bias[s.Offset+n])
			}
			if !s.Gate {
				v = s.Activation.Of(v)
			}
			if s.Scale != 0 {
				v *= float64(s.Scale)
			}
			if s.Cap != 0 {
				v = float64(s.Cap) * math.Tanh(v/float64(s.Cap))
			}
			out := &y[t*s.Stride+s.Offset+n]
			if s.Residual {
				v += float64(*out)
			}
			*out = float32(v)
		}
	}
}

package shaders

import "umbra/gpu"

// Tuning says which shape of kernels suits an adapter.
type Tuning struct {
	// Narrow picks kernels of one SIMD vector per workgroup, for adapters that are a CPU: barriers and workgroups are
	// dear there, and 8 lanes run as one vector.
	Narrow bool
	// Choices come before the default kernels of wide Linears.
	Choices Choices

	attention *attentionTile // instead of the shape's
}

// TuningFor picks by the adapter's kind.
func TuningFor(info gpu.AdapterInfo) Tuning { return Tuning{Narrow: info.Kind == gpu.KindCPU} }

// pad rounds a number of columns up to whole blocks.
func pad(cols int) int { return (cols + blockCols - 1) &^ (blockCols - 1) }

// PadCols is the stride of an activation row with cols columns: a multiple of 32.
func PadCols(cols int) int { return pad(cols) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

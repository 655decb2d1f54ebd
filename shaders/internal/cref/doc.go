// Package cref has products of quantised weights in C with AVX2, to measure kernels on a CPU adapter against
// (BenchmarkAgainstC of package shaders). It is for tests alone, and empty but on Linux on x86-64 with cgo.
package cref

// Package gpu opens a WebGPU adapter and runs compute work on it: buffers with a byte account, kernels compiled
// once, passes that record many dispatches and submit them together, fences, readbacks and timestamps.
//
// It is the only package that names the WebGPU binding, and does so behind the driver interface (driver.go), so
// that a second binding can stand in. It knows nothing of models, tensor formats or tokens.
//
// A Device is safe for use by several goroutines; a Pass belongs to the goroutine that began it.
package gpu

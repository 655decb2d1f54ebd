// Package shaders holds umbra's kernels: for each operation a WGSL source, a typed launcher, a plain Go reference and
// its test, side by side. dequant holds one decoder per weight format, lib what several sources share.
//
// It opens no files and keeps no model state. Activations are rows of float32 whose stride is a multiple of 32 columns;
// columns past a row's length are zero and stay so.
package shaders

//go:build linux && amd64 && cgo

package cref

/*
#cgo CFLAGS: -O3
#include "cref.h"
*/
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// Available reports whether the CPU has what the code needs.
func Available() bool { return C.cref_available() != 0 }

// Q8 computes y = x·Wᵀ for tokens rows of x, k columns each, on threads threads. quants is n × k int8, scales n × k/32 f16 bits:
// the planes of shaders.Format q8_0. y is tokens × n. k is a multiple of 32.
func Q8(threads int, quants []byte, scales []byte, x, y []float32, n, k, tokens int) {
	if k%32 != 0 || len(quants) < n*k || len(scales) < n*k/16 || len(x) < tokens*k || len(y) < tokens*n {
		panic("cref: planes are too short")
	}
	part := (n + threads - 1) / threads
	run := func(from, to int) {
		C.cref_q8((*C.int8_t)(unsafe.Pointer(&quants[0])), (*C.uint16_t)(unsafe.Pointer(&scales[0])),
			(*C.float)(unsafe.Pointer(&x[0])), (*C.float)(unsafe.Pointer(&y[0])), C.int(from), C.int(to), C.int(n), C.int(k), C.int(tokens))
	}
	var wg sync.WaitGroup
	for t := 1; t < threads; t++ {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			run(min(n, t*part), min(n, (t+1)*part))
		})
	}
	run(0, min(n, part))
	wg.Wait()
}

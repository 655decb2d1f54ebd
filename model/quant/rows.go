package quant

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"umbra/model/gguf"
)

// QuantizeRows encodes src, whole rows of cols values, as type t, on up to workers goroutines (0: as many as GOMAXPROCS).
// importance, if not nil, has a weight per column, finite and not negative, in any unit: what is made small is the sum of weight times
// squared error. Errors are those of Quantize; a *ValueError's index counts from the start of src.
func QuantizeRows(t gguf.Type, src []float32, cols int, importance []float32, workers int, dst []byte) error {
	f, err := quantizable(t)
	if err != nil {
		return err
	}
	rows, err := rowsOf(t, len(src), cols)
	if err != nil {
		return err
	}
	if err := checkBlocks(t, dst, src); err != nil {
		return err
	}
	weights, err := columnWeights(importance, cols)
	if err != nil {
		return err
	}
	bytes := cols / t.BlockSize() * t.BlockBytes()
	return inParallel(rows, cols, workers, func(row int) error {
		x := src[row*cols:][:cols]
		if i := f.quantize(dst[row*bytes:][:bytes], x, weights); i >= 0 {
			return &ValueError{t, row*cols + i, x[i]}
		}
		return nil
	})
}

// DequantizeRows is Dequantize for whole rows of cols values, on up to workers goroutines (0: as many as GOMAXPROCS).
func DequantizeRows(t gguf.Type, src []byte, cols, workers int, dst []float32) error {
	f, err := formatOf(t)
	if err != nil {
		return err
	}
	rows, err := rowsOf(t, len(dst), cols)
	if err != nil {
		return err
	}
	if err := checkBlocks(t, src, dst); err != nil {
		return err
	}
	bytes := cols / t.BlockSize() * t.BlockBytes()
	return inParallel(rows, cols, workers, func(row int) error {
		f.dequantize(dst[row*cols:][:cols], src[row*bytes:][:bytes])
		return nil
	})
}

// rowsOf returns how many rows of cols values there are, or a *SizeError.
func rowsOf(t gguf.Type, values, cols int) (int, error) {
	if n := t.BlockSize(); cols < 1 || cols%n != 0 {
		return 0, &SizeError{fmt.Sprintf("columns of %v (blocks of %d)", t, n), cols, (max(cols, 1) + n - 1) / n * n}
	}
	if values%cols != 0 {
		return 0, &SizeError{fmt.Sprintf("values in rows of %d", cols), values, values / cols * cols}
	}
	return values / cols, nil
}

// columnWeights scales an importance to a mean of 1, and lifts what is next to nothing in it: a column that the text behind an
// importance matrix never used may be used by another. nil if there is none, or nothing in it.
func columnWeights(importance []float32, cols int) ([]float32, error) {
	if importance == nil {
		return nil, nil
	}
	if len(importance) != cols {
		return nil, &SizeError{"weights of columns", len(importance), cols}
	}
	var sum float64
	for i, w := range importance {
		if !(w >= 0 && w <= math.MaxFloat32) {
			return nil, fmt.Errorf("quant: the importance of column %d is %g; it must be finite and not negative", i, w)
		}
		sum += float64(w)
	}
	if sum == 0 {
		return nil, nil
	}
	weights := make([]float32, cols)
	for i, w := range importance {
		weights[i] = max(float32(float64(w)*float64(cols)/sum), 1e-4)
	}
	return weights, nil
}

// inParallel calls do for each of rows, on up to workers goroutines that take runs of rows. It returns the error of the lowest row;
// rows after one with an error may be left out.
func inParallel(rows, cols, workers int, do func(row int) error) error {
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	run := max(1, (1<<14+cols-1)/cols) // enough to be worth a goroutine's turn
	workers = min(workers, (rows+run-1)/run)
	var mu sync.Mutex
	next, bad, failure := 0, math.MaxInt, error(nil)
	take := func() (first, end int) {
		mu.Lock()
		defer mu.Unlock()
		first, end = next, min(next+run, rows)
		if first > bad {
			return 0, 0
		}
		next = end
		return first, end
	}
	work := func() {
		for first, end := take(); first < end; first, end = take() {
			for row := first; row < end; row++ {
				if err := do(row); err != nil {
					mu.Lock()
					if row < bad {
						bad, failure = row, err
					}
					mu.Unlock()
					break
				}
			}
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return failure
}

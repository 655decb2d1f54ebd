package score

import "math"

// Mean is the mean of numbers, with what its error needs. The zero value is of none.
type Mean struct {
	n            int
	sum, squares float64
}

// Add adds a number.
func (m *Mean) Add(v float64) {
	m.n++
	m.sum += v
	m.squares += v * v
}

// Count is how many numbers there are.
func (m Mean) Count() int { return m.n }

// Value is the mean.
func (m Mean) Value() float64 { return m.sum / float64(m.n) }

// Error is the standard error of the mean; 0 for fewer than two numbers.
func (m Mean) Error() float64 {
	if m.n < 2 {
		return 0
	}
	mean := m.Value()
	return math.Sqrt(max(0, m.squares/float64(m.n)-mean*mean) / float64(m.n-1))
}

// Perplexity is exp of the mean of negative log-probabilities, and its standard error.
func (m Mean) Perplexity() (value, err float64) {
	value = math.Exp(m.Value())
	return value, value * m.Error()
}

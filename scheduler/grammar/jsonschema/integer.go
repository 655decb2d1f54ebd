package jsonschema

import (
	"encoding/json"
	"math/big"
	"strings"

	"umbra/scheduler/grammar"
)

// maxDigits is how many digits an integer has at most: as many as every float64 keeps.
const maxDigits = 15

// largest is the largest integer of so many digits.
const largest = 1e15 - 1

// rational is a number's value. It reports false for exponents that are out of reason.
func rational(n json.Number) (*big.Rat, bool) {
	if f, err := n.Float64(); err != nil || f > 1e30 || f < -1e30 || len(n) > 64 {
		return nil, false
	}
	if i := strings.IndexAny(n.String(), "eE"); i >= 0 && len(n)-i > 4 {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

// least is the least integer that is at least r, or above it.
func least(r *big.Rat, above bool) *big.Int {
	n := new(big.Int).Div(r.Num(), r.Denom()) // rounds down, as the denominator is positive
	if !r.IsInt() || above {
		n.Add(n, big.NewInt(1))
	}
	return n
}

// integers matches the integers from low to high, both within largest.
func integers(low, high int64) *grammar.Expr {
	var all []*grammar.Expr
	if low < 0 {
		all = append(all, grammar.Seq(grammar.Text("-"), digits(max(1, -high), -low)))
	}
	if high >= 0 {
		all = append(all, digits(max(0, low), high))
	}
	return grammar.Or(all...)
}

// digits matches the integers from low to high, none of them negative.
func digits(low, high int64) *grammar.Expr {
	var all []*grammar.Expr
	for first, last := int64(0), int64(9); first <= high; first, last = last+1, last*10+9 {
		if from, to := max(first, low), min(last, high); from <= to {
			all = append(all, between(big.NewInt(from).String(), big.NewInt(to).String()))
		}
	}
	return grammar.Or(all...)
}

// between matches the texts of digits from low to high, which are of one length.
func between(low, high string) *grammar.Expr {
	n := len(low)
	switch {
	case n == 0:
		return grammar.Seq()
	case low == strings.Repeat("0", n) && high == strings.Repeat("9", n):
		return grammar.Repeat(digit('0', '9'), n, n)
	case low[0] == high[0]:
		return grammar.Seq(digit(low[0], low[0]), between(low[1:], high[1:]))
	}
	all := []*grammar.Expr{grammar.Seq(digit(low[0], low[0]), between(low[1:], strings.Repeat("9", n-1)))}
	if low[0]+1 < high[0] {
		all = append(all, grammar.Seq(digit(low[0]+1, high[0]-1), grammar.Repeat(digit('0', '9'), n-1, n-1)))
	}
	return grammar.Or(append(all, grammar.Seq(digit(high[0], high[0]), between(strings.Repeat("0", n-1), high[1:])))...)
}

func digit(first, last byte) *grammar.Expr {
	return grammar.Set(grammar.Range{First: rune(first), Last: rune(last)})
}

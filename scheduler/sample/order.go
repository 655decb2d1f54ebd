package sample

import (
	"fmt"
	"slices"
	"strings"
)

// Step is one thing that happens to the logits.
type Step string

// The steps, by the names that llama.cpp has for them.
const (
	Penalties   Step = "penalties" // Params.Penalty, Frequency, Presence
	Dry         Step = "dry"
	TopNSigma   Step = "top_n_sigma"
	TopK        Step = "top_k"
	Typical     Step = "typ_p"
	TopP        Step = "top_p"
	MinP        Step = "min_p"
	Xtc         Step = "xtc"
	Temperature Step = "temperature"
)

var defaultOrder = []Step{Penalties, Dry, TopNSigma, TopK, Typical, TopP, MinP, Xtc, Temperature}

// DefaultOrder is the order of steps where Params has none.
func DefaultOrder() []Step { return slices.Clone(defaultOrder) }

// ParseOrder reads the names of steps, separated by commas or semicolons.
func ParseOrder(s string) ([]Step, error) {
	var order []Step
	for _, name := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		order = append(order, Step(name))
	}
	if order == nil {
		return nil, fmt.Errorf("sample: an order without steps; want some of %s", stepNames())
	}
	return order, validateOrder(order)
}

func validateOrder(order []Step) error {
	for i, s := range order {
		switch {
		case !slices.Contains(defaultOrder, s):
			return fmt.Errorf("sample: step %q is not known; there are %s", string(s), stepNames())
		case slices.Contains(order[:i], s):
			return fmt.Errorf("sample: step %q is listed twice", string(s))
		}
	}
	return nil
}

func stepNames() string {
	names := make([]string, len(defaultOrder))
	for i, s := range defaultOrder {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

func (p Params) order() []Step {
	if p.Order == nil {
		return defaultOrder
	}
	return p.Order
}

func (p Params) has(s Step) bool { return p.Order == nil || slices.Contains(p.Order, s) }

// active reports whether a step, if it is listed, may change anything.
func (p Params) active(s Step) bool {
	switch s {
	case Penalties:
		return p.penalises()
	case Dry:
		return p.DRY.on()
	case TopNSigma:
		return p.TopNSigma > 0
	case TopK:
		return p.TopK > 0
	case Typical:
		return p.Typical > 0 && p.Typical < 1
	case TopP:
		return p.TopP < 1
	case MinP:
		return p.MinP > 0
	case Xtc:
		return p.XTC.Probability > 0 && p.XTC.Threshold <= 0.5
	}
	return true
}

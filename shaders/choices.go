package shaders

import (
	"fmt"
	"math"
)

// ChoicesVersion goes up when kernels change so that what was measured before says nothing any more.
const ChoicesVersion = 1

// Choices are the kernels of Linear that a Tuner found fastest on an adapter: by product (LinearShape.Product), then by class of token
// rows (RowClass), a kernel's name or DefaultKernel. A name that is none of LinearShape.Candidates there, or whose kernel has no room for
// sums of parts, counts for nothing: the default is taken. Narrow tunings have no choice.
type Choices map[string]map[string]string

// DefaultKernel stands in Choices where none was faster than the default.
const DefaultKernel = "default"

// Set puts a choice down, in place of what was there for the product and class.
func (c Choices) Set(product, class, kernel string) {
	if c[product] == nil {
		c[product] = map[string]string{}
	}
	c[product][class] = kernel
}

// Count returns how many choices there are, and how many are not the default.
func (c Choices) Count() (all, others int) {
	for _, classes := range c {
		for _, kernel := range classes {
			all++
			if kernel != DefaultKernel {
				others++
			}
		}
	}
	return all, others
}

// rowTops are the most token rows of each class; rowMost is that of the last.
var rowTops = [...]int{1, 2, 4, 8, 16, 32, 64, matvecRows, rowMost}

const rowMost = math.MaxInt

// rowClass is the class of a number of token rows, an index of rowTops.
func rowClass(rows int) int {
	c := 0
	for rows > rowTops[c] {
		c++
	}
	return c
}

// RowClass names the class of a number of token rows, all of which get the same choice: 1, 2, 3-4, 5-8 and so on up to 241+.
func RowClass(rows int) string { return className(rowClass(rows)) }

func className(c int) string {
	low := 1
	if c > 0 {
		low = rowTops[c-1] + 1
	}
	switch top := rowTops[c]; top {
	case low:
		return fmt.Sprint(low)
	case rowMost:
		return fmt.Sprintf("%d+", low)
	default:
		return fmt.Sprintf("%d-%d", low, top)
	}
}

// Product names what of a shape a kernel's speed depends on, as in "q4_0 28672x4096 norm gate".
func (s LinearShape) Product() string {
	name := fmt.Sprintf("%s %dx%d", s.Format.Name, s.N, s.K)
	if s.Norm {
		name += " norm"
	}
	if s.Gate {
		name += " gate"
	}
	return name
}

// chosen are the kernels that choices have for a shape, by class of rows; no file where there is none.
func (s LinearShape) chosen(choices Choices) (all [len(rowTops)]linearVariant) {
	classes := choices[s.Product()]
	for c := range all {
		name, ok := classes[className(c)]
		if !ok || name == DefaultKernel {
			continue
		}
		for _, v := range s.candidates(rowTops[c]) {
			if v.String() == name {
				all[c] = v
			}
		}
	}
	return all
}

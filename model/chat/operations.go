package chat

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ardanlabs/jinja"
)

// function is one that templates can call, in the library's form.
type function = func(args []value, named map[string]value) (value, error)

// binary makes a function of two operands.
func binary(f func(a, b value) (value, error)) function {
	return func(args []value, _ map[string]value) (value, error) { return f(args[0], args[1]) }
}

func isNumber(v value) bool { return v.IsInt() || v.IsFloat() || v.IsBool() }

func asFloat(v value) float64 {
	switch {
	case v.IsFloat():
		return v.AsFloat()
	case v.IsInt():
		return float64(v.AsInt())
	case v.IsBool() && v.AsBool():
		return 1
	}
	return 0
}

// asInt is an integer's or a boolean's.
func asInt(v value) (int64, bool) {
	switch {
	case v.IsInt():
		return v.AsInt(), true
	case v.IsBool():
		return int64(asFloat(v)), true
	}
	return 0, false
}

func undefinedError(what string) error { return fmt.Errorf("%s is undefined", what) }

func operandError(op string, a, b value) error {
	if a.IsUndefined() || b.IsUndefined() {
		return undefinedError("an operand of " + op)
	}
	return fmt.Errorf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

// arithmetic makes an operation on numbers: of integers where both are, else of floats.
func arithmetic(op string, ints func(a, b int64) (value, error), floats func(a, b float64) (value, error)) func(a, b value) (value, error) {
	return func(a, b value) (value, error) {
		i, ok := asInt(a)
		j, ok2 := asInt(b)
		switch {
		case ok && ok2 && ints != nil:
			return ints(i, j)
		case isNumber(a) && isNumber(b):
			return floats(asFloat(a), asFloat(b))
		}
		return jinja.Undefined(), operandError(op, a, b)
	}
}

var errZero = fmt.Errorf("division by zero")

var (
	addNumbers = arithmetic("+", func(a, b int64) (value, error) { return jinja.NewInt(a + b), nil },
		func(a, b float64) (value, error) { return jinja.NewFloat(a + b), nil })
	subNumbers = arithmetic("-", func(a, b int64) (value, error) { return jinja.NewInt(a - b), nil },
		func(a, b float64) (value, error) { return jinja.NewFloat(a - b), nil })
	mulNumbers = arithmetic("*", func(a, b int64) (value, error) { return jinja.NewInt(a * b), nil },
		func(a, b float64) (value, error) { return jinja.NewFloat(a * b), nil })
	divNumbers = arithmetic("/", nil, func(a, b float64) (value, error) {
		if b == 0 {
			return jinja.Undefined(), errZero
		}
		return jinja.NewFloat(a / b), nil
	})
	floorNumbers = arithmetic("//", func(a, b int64) (value, error) {
		if b == 0 {
			return jinja.Undefined(), errZero
		}
		q := a / b
		if a%b != 0 && (a < 0) != (b < 0) {
			q--
		}
		return jinja.NewInt(q), nil
	}, func(a, b float64) (value, error) {
		if b == 0 {
			return jinja.Undefined(), errZero
		}
		return jinja.NewFloat(math.Floor(a / b)), nil
	})
	modNumbers = arithmetic("%", func(a, b int64) (value, error) {
		if b == 0 {
			return jinja.Undefined(), errZero
		}
		return jinja.NewInt((a%b + b) % b), nil
	}, func(a, b float64) (value, error) {
		if b == 0 {
			return jinja.Undefined(), errZero
		}
		return jinja.NewFloat(a - b*math.Floor(a/b)), nil
	})
	powNumbers = arithmetic("**", func(a, b int64) (value, error) {
		if b < 0 {
			return jinja.NewFloat(math.Pow(float64(a), float64(b))), nil
		}
		p := int64(1)
		for ; b > 0; b >>= 1 {
			if b&1 == 1 {
				p *= a
			}
			a *= a
		}
		return jinja.NewInt(p), nil
	}, func(a, b float64) (value, error) { return jinja.NewFloat(math.Pow(a, b)), nil })
)

func add(a, b value) (value, error) {
	switch {
	case a.IsString() && b.IsString():
		return jinja.NewString(a.AsString() + b.AsString()), nil
	case a.IsList() && b.IsList():
		return jinja.NewList(slices.Concat(a.AsList().Items, b.AsList().Items)), nil
	case isNumber(a) && isNumber(b):
		return addNumbers(a, b)
	case a.IsString() && !b.IsUndefined():
		return a, fmt.Errorf(`can only concatenate str (not "%s") to str`, typeName(b))
	}
	return jinja.Undefined(), operandError("+", a, b)
}

// mostRepeated bounds what a text or list may be repeated to.
const mostRepeated = 1 << 20

func mul(a, b value) (value, error) {
	if _, ok := asInt(a); ok && (b.IsString() || b.IsList()) {
		a, b = b, a
	}
	n, ok := asInt(b)
	n = max(0, n)
	switch {
	case a.IsString() && ok:
		if int64(len(a.AsString()))*n > mostRepeated || n > mostRepeated {
			return a, fmt.Errorf("a text repeated %d times is too long", n)
		}
		return jinja.NewString(strings.Repeat(a.AsString(), int(n))), nil
	case a.IsList() && ok:
		if int64(a.AsList().Len())*n > mostRepeated || n > mostRepeated {
			return a, fmt.Errorf("a list repeated %d times is too long", n)
		}
		return jinja.NewList(slices.Repeat(a.AsList().Items, int(n))), nil
	}
	return mulNumbers(a, b)
}

func mod(a, b value) (value, error) {
	if a.IsString() {
		return percent(a.AsString(), b)
	}
	return modNumbers(a, b)
}

// percent is Python's formatting with %, of %s, %r, %d, %i and %f and with widths.
func percent(format string, with value) (value, error) {
	args := []value{with}
	if with.IsList() {
		args = with.AsList().Items
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		end := i + 1
		for end < len(format) && strings.IndexByte("0123456789.-+ #", format[end]) >= 0 {
			end++
		}
		if end == len(format) || end-i > 6 { // of widths, those up to some thousands
			return with, fmt.Errorf("incomplete format")
		}
		if format[end] == '%' {
			b.WriteByte('%')
			i = end
			continue
		}
		if len(args) == 0 {
			return with, fmt.Errorf("not enough arguments for format string")
		}
		v, spec := args[0], format[i:end]
		args = args[1:]
		switch format[end] {
		case 's':
			fmt.Fprintf(&b, spec+"s", text(v))
		case 'r':
			fmt.Fprintf(&b, spec+"s", repr(v))
		case 'd', 'i':
			if !isNumber(v) {
				return with, fmt.Errorf("%%d format: a real number is required, not %s", typeName(v))
			}
			fmt.Fprintf(&b, spec+"d", int64(asFloat(v)))
		case 'f':
			if !isNumber(v) {
				return with, fmt.Errorf("must be real number, not %s", typeName(v))
			}
			fmt.Fprintf(&b, spec+"f", asFloat(v))
		default:
			return with, fmt.Errorf("format %%%c is not supported", format[end])
		}
		i = end
	}
	if len(args) > 0 && !with.IsDict() {
		return with, fmt.Errorf("not all arguments converted during string formatting")
	}
	return jinja.NewString(b.String()), nil
}

// equal is Python's ==.
func equal(a, b value) bool {
	switch {
	case isNumber(a) && isNumber(b):
		if i, ok := asInt(a); ok {
			if j, ok := asInt(b); ok {
				return i == j
			}
		}
		return asFloat(a) == asFloat(b)
	case a.IsList() && b.IsList():
		return slices.EqualFunc(a.AsList().Items, b.AsList().Items, equal)
	case a.IsDict() && b.IsDict():
		x, y := a.AsDict(), b.AsDict()
		for _, k := range x.Keys {
			v, ok := y.Get(k)
			if !ok || !equal(x.Data[k], v) {
				return false
			}
		}
		return x.Len() == y.Len()
	}
	return a.Equals(b)
}

// compare is Python's order of two values, where they have one.
func compare(a, b value) (int, error) {
	switch {
	case isNumber(a) && isNumber(b):
		x, y := asFloat(a), asFloat(b)
		switch {
		case x < y:
			return -1, nil
		case x > y:
			return 1, nil
		}
		return 0, nil
	case a.IsString() && b.IsString():
		return strings.Compare(a.AsString(), b.AsString()), nil
	case a.IsList() && b.IsList():
		x, y := a.AsList().Items, b.AsList().Items
		for i := range min(len(x), len(y)) {
			if c, err := compare(x[i], y[i]); c != 0 || err != nil {
				return c, err
			}
		}
		return len(x) - len(y), nil
	}
	return 0, fmt.Errorf("'<' not supported between instances of '%s' and '%s'", typeName(a), typeName(b))
}

// ordered makes a comparison.
func ordered(holds func(c int) bool) function {
	return binary(func(a, b value) (value, error) {
		c, err := compare(a, b)
		return jinja.NewBool(holds(c)), err
	})
}

func in(a, b value) (bool, error) {
	switch {
	case b.IsString():
		if !a.IsString() {
			return false, fmt.Errorf("'in <string>' requires string as left operand, not %s", typeName(a))
		}
		return strings.Contains(b.AsString(), a.AsString()), nil
	case b.IsDict():
		return a.IsString() && b.AsDict().Has(a.AsString()), nil
	case b.IsList():
		return slices.ContainsFunc(b.AsList().Items, func(x value) bool { return equal(a, x) }), nil
	case b.IsUndefined():
		return false, nil
	}
	return false, fmt.Errorf("argument of type '%s' is not iterable", typeName(b))
}

// iterate lists what a loop over v goes through.
func iterate(v value) ([]value, error) {
	switch {
	case v.IsList():
		return v.AsList().Items, nil
	case v.IsUndefined():
		return nil, nil
	case v.IsString():
		var all []value
		for _, r := range v.AsString() {
			all = append(all, jinja.NewString(string(r)))
		}
		return all, nil
	case v.IsDict() && !isSpace(v):
		var all []value
		for _, k := range keys(v) {
			all = append(all, jinja.NewString(k))
		}
		return all, nil
	}
	return nil, fmt.Errorf("'%s' object is not iterable", typeName(v))
}

// attribute is v.name, which finds what Python objects have before what a dictionary holds.
func attribute(v value, name string) (value, error) {
	if v.IsUndefined() {
		return v, undefinedError("what has no attribute " + name)
	}
	if f := methodOf(v, name); f != nil {
		return jinja.NewCallable(name, bound(f, v)), nil
	}
	if v.IsDict() {
		if x, ok := v.AsDict().Get(name); ok {
			return x, nil
		}
	}
	return jinja.Undefined(), nil
}

// item is v[key], which finds what a dictionary holds first.
func item(v, key value) (value, error) {
	i, isInt := asInt(key)
	switch {
	case v.IsUndefined():
		return v, undefinedError("what has no item " + repr(key))
	case v.IsDict() && key.IsString():
		if x, ok := v.AsDict().Get(key.AsString()); ok {
			return x, nil
		}
		return attribute(v, key.AsString())
	case v.IsString() && isInt:
		r := []rune(v.AsString())
		if i < 0 {
			i += int64(len(r))
		}
		if i >= 0 && i < int64(len(r)) {
			return jinja.NewString(string(r[i])), nil
		}
	case v.IsList() && isInt:
		all := v.AsList().Items
		if i < 0 {
			i += int64(len(all))
		}
		if i >= 0 && i < int64(len(all)) {
			return all[i], nil
		}
	case key.IsString():
		return attribute(v, key.AsString())
	}
	return jinja.Undefined(), nil
}

// slice is v[from:to:step].
func slice(v value, bounds []value) (value, error) {
	var runes []rune
	n := 0
	switch {
	case v.IsString():
		runes = []rune(v.AsString())
		n = len(runes)
	case v.IsList():
		n = v.AsList().Len()
	default:
		return v, fmt.Errorf("'%s' object is not subscriptable", typeName(v))
	}
	at := func(i, otherwise, low, high int) int {
		k, ok := asInt(bounds[i])
		if !ok {
			return otherwise
		}
		if k < 0 {
			k += int64(n)
		}
		return int(max(int64(low), min(int64(high), k)))
	}
	step := 1
	if k, ok := asInt(bounds[2]); ok {
		step = int(k)
	}
	if step == 0 {
		return v, fmt.Errorf("slice step cannot be zero")
	}
	var places []int
	if step > 0 {
		for i := at(0, 0, 0, n); i < at(1, n, 0, n); i += step {
			places = append(places, i)
		}
	} else {
		for i := at(0, n-1, -1, n-1); i > at(1, -1, -1, n-1); i += step {
			places = append(places, i)
		}
	}
	if v.IsString() {
		out := make([]rune, len(places))
		for j, i := range places {
			out[j] = runes[i]
		}
		return jinja.NewString(string(out)), nil
	}
	out := make([]value, len(places))
	for j, i := range places {
		out[j] = v.AsList().Items[i]
	}
	return jinja.NewList(out), nil
}

// unpack is one of the n items that a value must have.
func unpack(v value, i, n int) (value, error) {
	all, err := iterate(v)
	if err != nil {
		return v, err
	}
	if len(all) != n {
		return v, fmt.Errorf("cannot unpack %d values into %d variables", len(all), n)
	}
	return all[i], nil
}

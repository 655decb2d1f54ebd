package chat

import (
	"fmt"
	"strings"

	"github.com/ardanlabs/jinja"
)

// testTable holds jinja2's tests (jinja2/tests.py, 3.1).
var testTable map[string]func(args []value) (bool, error)

func makeTests() {
	is := func(f func(v value) bool) func([]value) (bool, error) {
		return func(a []value) (bool, error) { return f(a[0]), nil }
	}
	two := func(f func(a, b value) (bool, error)) func([]value) (bool, error) {
		return func(a []value) (bool, error) {
			if len(a) != 2 {
				return false, fmt.Errorf("a test wants one argument, not %d", len(a)-1)
			}
			return f(a[0], a[1])
		}
	}
	order := func(holds func(c int) bool) func([]value) (bool, error) {
		return two(func(a, b value) (bool, error) { c, err := compare(a, b); return holds(c), err })
	}
	same := two(func(a, b value) (bool, error) { return equal(a, b), nil })
	differ := two(func(a, b value) (bool, error) { return !equal(a, b), nil })
	lt, le := order(func(c int) bool { return c < 0 }), order(func(c int) bool { return c <= 0 })
	gt, ge := order(func(c int) bool { return c > 0 }), order(func(c int) bool { return c >= 0 })
	rest := func(v value, by int64) (int64, error) {
		m, err := modNumbers(v, jinja.NewInt(by))
		return int64(asFloat(m)), err
	}
	testTable = map[string]func([]value) (bool, error){
		"defined":   is(func(v value) bool { return !v.IsUndefined() }),
		"undefined": is(value.IsUndefined),
		"none":      is(value.IsNone),
		"boolean":   is(value.IsBool),
		"true":      is(func(v value) bool { return v.IsBool() && v.AsBool() }),
		"false":     is(func(v value) bool { return v.IsBool() && !v.AsBool() }),
		"integer":   is(value.IsInt),
		"float":     is(value.IsFloat),
		"number":    is(isNumber),
		"string":    is(value.IsString),
		"mapping":   is(func(v value) bool { return v.IsDict() && !isSpace(v) }),
		"iterable":  is(func(v value) bool { _, err := iterate(v); return err == nil }),
		"sequence": is(func(v value) bool {
			return v.IsString() || v.IsList() || v.IsDict() && !isSpace(v) || v.IsUndefined()
		}),
		"callable": is(func(v value) bool { return v.IsCallable() || v.IsUndefined() }),
		"lower":    is(func(v value) bool { s := text(v); return s == strings.ToLower(s) && s != strings.ToUpper(s) }),
		"upper":    is(func(v value) bool { s := text(v); return s == strings.ToUpper(s) && s != strings.ToLower(s) }),
		"filter":   is(func(v value) bool { return filterTable[text(v)] != nil }),
		"test":     is(func(v value) bool { return testTable[text(v)] != nil }),
		"odd":      func(a []value) (bool, error) { m, err := rest(a[0], 2); return m == 1, err },
		"even":     func(a []value) (bool, error) { m, err := rest(a[0], 2); return m == 0 && err == nil, err },
		"in":       two(in),
		"sameas":   two(sameAs),
		"divisibleby": two(func(a, b value) (bool, error) {
			m, err := modNumbers(a, b)
			return asFloat(m) == 0 && err == nil, err
		}),
		"eq": same, "equalto": same, "ne": differ,
		"lt": lt, "lessthan": lt, "le": le, "gt": gt, "greaterthan": gt, "ge": ge,
	}
	testTable["=="], testTable["!="] = same, differ
	testTable["<"], testTable["<="], testTable[">"], testTable[">="] = lt, le, gt, ge
}

// sameAs is Python's "is", for what has one object: none, booleans; for all else of one type, ==.
func sameAs(a, b value) (bool, error) {
	return typeName(a) == typeName(b) && equal(a, b), nil
}

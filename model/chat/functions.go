package chat

import (
	"fmt"
	"strconv"

	"github.com/ardanlabs/jinja"
)

// functions are what translated templates call, but for those that depend on the rendering (Template.render). parser and translator
// say with which arguments.
var functions = map[string]value{}

func define(name string, f function) { functions[name] = jinja.NewCallable(name, f) }

func init() {
	makeFilters()
	makeTests()
	makeMethods()
	define("text", func(args []value, _ map[string]value) (value, error) { return jinja.NewString(text(args[0])), nil })
	list := func(args []value, _ map[string]value) (value, error) { return jinja.NewList(args), nil }
	define("tuple", list)
	define("list", list)
	define("dict", func(args []value, _ map[string]value) (value, error) {
		d := jinja.NewDict()
		for i := 0; i+1 < len(args); i += 2 {
			d.AsDict().Set(text(args[i]), args[i+1])
		}
		return d, nil
	})
	define("v_ordered", namedValues)
	define("namespace", func(args []value, _ map[string]value) (value, error) {
		if !isSpace(args[0]) {
			return args[0], fmt.Errorf("cannot assign attribute on non-namespace object")
		}
		return jinja.NewBool(true), nil
	})
	define("within", func(args []value, named map[string]value) (value, error) {
		return named["caller"].AsCallable().Fn(args, nil)
	})
	define("iterate", func(args []value, _ map[string]value) (value, error) {
		all, err := iterate(args[0])
		return jinja.NewList(all), err
	})
	define("unpack", func(args []value, _ map[string]value) (value, error) {
		return unpack(args[0], int(args[1].AsInt()), int(args[2].AsInt()))
	})
	define("attribute", func(args []value, _ map[string]value) (value, error) { return attribute(args[0], args[1].AsString()) })
	define("item", func(args []value, _ map[string]value) (value, error) { return item(args[0], args[1]) })
	define("slice", func(args []value, _ map[string]value) (value, error) { return slice(args[0], args[1:]) })
	define("method", func(args []value, named map[string]value) (value, error) {
		name := args[1].AsString()
		f, err := attribute(args[0], name)
		if err != nil {
			return f, err
		}
		if !f.IsCallable() {
			return f, fmt.Errorf("'%s' object has no attribute '%s' to call", typeName(args[0]), name)
		}
		if methodOf(args[0], name) == nil { // a macro or the like, whose parameters are variables
			prefixed := map[string]value{}
			for k, v := range named {
				prefixed["v_"+k] = v
			}
			named = prefixed
		}
		return f.AsCallable().Fn(args[2:], named)
	})
	defineOperators()
	defineGlobals()
	for name, f := range filterTable {
		define("f_"+name, f)
	}
	for name, f := range testTable {
		define("t_"+name, func(args []value, _ map[string]value) (value, error) {
			is, err := f(args)
			return jinja.NewBool(is), err
		})
	}
}

func defineOperators() {
	for name, f := range map[string]func(a, b value) (value, error){"add": add, "sub": subNumbers, "mul": mul, "div": divNumbers,
		"floordiv": floorNumbers, "mod": mod, "pow": powNumbers,
		"concat": func(a, b value) (value, error) { return jinja.NewString(text(a) + text(b)), nil },
		"eq":     func(a, b value) (value, error) { return jinja.NewBool(equal(a, b)), nil },
		"ne":     func(a, b value) (value, error) { return jinja.NewBool(!equal(a, b)), nil },
		"in":     func(a, b value) (value, error) { is, err := in(a, b); return jinja.NewBool(is), err },
		"not_in": func(a, b value) (value, error) { is, err := in(a, b); return jinja.NewBool(!is), err },
	} {
		define("op_"+name, binary(f))
	}
	for name, holds := range map[string]func(c int) bool{"lt": func(c int) bool { return c < 0 }, "le": func(c int) bool { return c <= 0 },
		"gt": func(c int) bool { return c > 0 }, "ge": func(c int) bool { return c >= 0 }} {
		define("op_"+name, ordered(holds))
	}
	define("op_neg", func(args []value, _ map[string]value) (value, error) { return subNumbers(jinja.NewInt(0), args[0]) })
	define("op_pos", func(args []value, _ map[string]value) (value, error) { return addNumbers(jinja.NewInt(0), args[0]) })
	define("op_float", func(args []value, _ map[string]value) (value, error) {
		f, err := strconv.ParseFloat(args[0].AsString(), 64)
		return jinja.NewFloat(f), err
	})
}

// namedValues makes what dict(...) or namespace(...) does: args are which, then names and values in turn, "" naming a dictionary to be copied.
func namedValues(args []value, _ map[string]value) (value, error) {
	d := jinja.NewDict()
	if args[0].AsString() == "namespace" {
		d.AsDict().Set(spaceMark, jinja.None())
	}
	for i := 1; i+1 < len(args); i += 2 {
		name, v := args[i].AsString(), args[i+1]
		if name != "" {
			d.AsDict().Set(name, v)
			continue
		}
		if !v.IsDict() {
			return v, fmt.Errorf("%s wants a mapping, not %s", args[0].AsString(), typeName(v))
		}
		for _, k := range keys(v) {
			d.AsDict().Set(k, v.AsDict().Data[k])
		}
	}
	return d, nil
}

// defineGlobals defines what templates find as variables.
func defineGlobals() {
	define("v_range", func(args []value, _ map[string]value) (value, error) {
		var n []int64
		for _, a := range args {
			i, ok := asInt(a)
			if !ok {
				return a, fmt.Errorf("'%s' object cannot be interpreted as an integer", typeName(a))
			}
			n = append(n, i)
		}
		from, to, step := int64(0), int64(0), int64(1)
		switch len(n) {
		case 1:
			to = n[0]
		case 2:
			from, to = n[0], n[1]
		case 3:
			from, to, step = n[0], n[1], n[2]
		default:
			return jinja.Undefined(), fmt.Errorf("range takes 1 to 3 arguments, not %d", len(n))
		}
		const most = 100_000 // jinja2.sandbox.MAX_RANGE
		if step == 0 || (to-from)/step > most {
			return jinja.Undefined(), fmt.Errorf("range by %d of more than %d", step, most)
		}
		var all []value
		for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
			all = append(all, jinja.NewInt(i))
		}
		return jinja.NewList(all), nil
	})
	define("v_joiner", func(args []value, named map[string]value) (value, error) {
		sep, used := argument(args, named, 0, "v_sep", jinja.NewString(", ")), false
		return jinja.NewCallable("joiner", func([]value, map[string]value) (value, error) {
			if !used {
				used = true
				return jinja.NewString(""), nil
			}
			return sep, nil
		}), nil
	})
	define("v_cycler", func(args []value, _ map[string]value) (value, error) {
		if len(args) == 0 {
			return jinja.Undefined(), fmt.Errorf("at least one item has to be provided")
		}
		at, c := 0, jinja.NewDict()
		current := func() { c.AsDict().Set("current", args[at]) }
		current()
		c.AsDict().Set("next", jinja.NewCallable("next", func([]value, map[string]value) (value, error) {
			v := args[at]
			at = (at + 1) % len(args)
			current()
			return v, nil
		}))
		c.AsDict().Set("reset", jinja.NewCallable("reset", func([]value, map[string]value) (value, error) {
			at = 0
			current()
			return jinja.None(), nil
		}))
		return c, nil
	})
	define("v_raise_exception", func(args []value, named map[string]value) (value, error) {
		return jinja.Undefined(), &Exception{text(argument(args, named, 0, "v_message", jinja.NewString("")))}
	})
}

// argument is argument i, or the one of that name, or otherwise.
func argument(args []value, named map[string]value, i int, name string, otherwise value) value {
	if i < len(args) {
		return args[i]
	}
	if v, ok := named[name]; ok {
		return v
	}
	return otherwise
}

// Exception is what a template raises by raise_exception: the conversation does not suit it.
type Exception struct{ Message string }

func (e *Exception) Error() string { return e.Message }

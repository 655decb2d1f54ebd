package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ardanlabs/jinja"
)

// method is one of Python's methods: of v, with arguments.
type method = func(v value, args []value, named map[string]value) (value, error)

func bound(f method, v value) function {
	return func(args []value, named map[string]value) (value, error) { return f(v, args, named) }
}

// methodOf finds a method of a value; nil if there is none. Those that change their value are refused, as in the sandbox.
func methodOf(v value, name string) method {
	var table map[string]method
	switch {
	case v.IsString():
		table = stringMethods
	case v.IsList():
		table = listMethods
	case v.IsDict() && !isSpace(v):
		table = dictMethods
	}
	return table[name]
}

func refused(name string) method {
	return func(v value, _ []value, _ map[string]value) (value, error) {
		return v, fmt.Errorf("%s.%s changes its object, which templates may not", typeName(v), name)
	}
}

var listMethods = map[string]method{
	"append": refused("append"), "pop": refused("pop"), "insert": refused("insert"), "extend": refused("extend"),
	"remove": refused("remove"), "sort": refused("sort"), "reverse": refused("reverse"), "clear": refused("clear"),
	"count": func(v value, a []value, _ map[string]value) (value, error) {
		n := int64(0)
		for _, x := range v.AsList().Items {
			if len(a) == 1 && equal(x, a[0]) {
				n++
			}
		}
		return jinja.NewInt(n), nil
	},
	"index": func(v value, a []value, _ map[string]value) (value, error) {
		for i, x := range v.AsList().Items {
			if len(a) > 0 && equal(x, a[0]) {
				return jinja.NewInt(int64(i)), nil
			}
		}
		return v, fmt.Errorf("%s is not in list", repr(argument(a, nil, 0, "", jinja.Undefined())))
	},
	"copy": func(v value, _ []value, _ map[string]value) (value, error) {
		return slice(v, []value{jinja.None(), jinja.None(), jinja.None()})
	},
}

var dictMethods = map[string]method{
	"update": refused("update"), "pop": refused("pop"), "setdefault": refused("setdefault"), "popitem": refused("popitem"), "clear": refused("clear"),
	"items": func(v value, _ []value, _ map[string]value) (value, error) { return pairsOf(v) },
	"keys": func(v value, _ []value, _ map[string]value) (value, error) {
		all, err := iterate(v)
		return jinja.NewList(all), err
	},
	"values": func(v value, _ []value, _ map[string]value) (value, error) {
		var all []value
		for _, k := range keys(v) {
			all = append(all, v.AsDict().Data[k])
		}
		return jinja.NewList(all), nil
	},
	"get": func(v value, a []value, n map[string]value) (value, error) {
		if len(a) == 0 {
			return v, fmt.Errorf("get expected at least 1 argument, got 0")
		}
		if x, ok := v.AsDict().Get(text(a[0])); ok && a[0].IsString() {
			return x, nil
		}
		return argument(a, n, 1, "default", jinja.None()), nil
	},
	"copy": func(v value, _ []value, _ map[string]value) (value, error) {
		return namedValues([]value{jinja.NewString("dict"), jinja.NewString(""), v}, nil)
	},
}

var stringMethods map[string]method

func makeMethods() {
	onSelf := func(f func(string) string) method {
		return func(v value, _ []value, _ map[string]value) (value, error) {
			return jinja.NewString(f(v.AsString())), nil
		}
	}
	every := func(f func(rune) bool) method {
		return func(v value, _ []value, _ map[string]value) (value, error) {
			s := v.AsString()
			return jinja.NewBool(s != "" && strings.IndexFunc(s, func(r rune) bool { return !f(r) }) < 0), nil
		}
	}
	find := func(index func(s, sub string) int, must bool) method {
		return func(v value, a []value, _ map[string]value) (value, error) {
			s := v.AsString()
			if len(a) != 1 || !a[0].IsString() {
				return v, fmt.Errorf("find wants one text")
			}
			i := index(s, a[0].AsString())
			if i < 0 && must {
				return v, fmt.Errorf("substring not found")
			}
			return jinja.NewInt(int64(utf8.RuneCountInString(s[:max(0, i)]) + min(0, i))), nil
		}
	}
	affix := func(has func(s, part string) bool) method {
		return func(v value, a []value, _ map[string]value) (value, error) {
			if len(a) != 1 {
				return v, fmt.Errorf("want one argument, not %d", len(a))
			}
			parts := a
			if a[0].IsList() {
				parts = a[0].AsList().Items
			}
			for _, p := range parts {
				if !p.IsString() {
					return v, fmt.Errorf("first arg must be str or a tuple of str, not %s", typeName(p))
				}
				if has(v.AsString(), p.AsString()) {
					return jinja.NewBool(true), nil
				}
			}
			return jinja.NewBool(false), nil
		}
	}
	stripping := func(left, right bool) method {
		return func(v value, a []value, n map[string]value) (value, error) {
			return strip(v.AsString(), a, n, left, right)
		}
	}
	stringMethods = map[string]method{
		"strip": stripping(true, true), "lstrip": stripping(true, false), "rstrip": stripping(false, true),
		"upper": onSelf(strings.ToUpper), "lower": onSelf(strings.ToLower), "capitalize": onSelf(capitalize),
		"title": onSelf(func(s string) string { // a capital after anything that is no letter
			begin := true
			return strings.Map(func(r rune) rune {
				was := begin
				if begin = !unicode.IsLetter(r); was {
					return unicode.ToTitle(r)
				}
				return unicode.ToLower(r)
			}, s)
		}),
		"startswith": affix(strings.HasPrefix), "endswith": affix(strings.HasSuffix),
		"removeprefix": func(v value, a []value, _ map[string]value) (value, error) {
			return jinja.NewString(strings.TrimPrefix(v.AsString(), text(argument(a, nil, 0, "", jinja.Undefined())))), nil
		},
		"removesuffix": func(v value, a []value, _ map[string]value) (value, error) {
			return jinja.NewString(strings.TrimSuffix(v.AsString(), text(argument(a, nil, 0, "", jinja.Undefined())))), nil
		},
		"find": find(strings.Index, false), "rfind": find(strings.LastIndex, false), "index": find(strings.Index, true),
		"count": func(v value, a []value, _ map[string]value) (value, error) {
			return jinja.NewInt(int64(strings.Count(v.AsString(), text(argument(a, nil, 0, "", jinja.Undefined()))))), nil
		},
		"replace": func(v value, a []value, _ map[string]value) (value, error) { return replace(v.AsString(), a) },
		"split":   func(v value, a []value, n map[string]value) (value, error) { return split(v.AsString(), a, n, false) },
		"rsplit":  func(v value, a []value, n map[string]value) (value, error) { return split(v.AsString(), a, n, true) },
		"splitlines": func(v value, _ []value, _ map[string]value) (value, error) {
			s := strings.TrimSuffix(newlines.Replace(v.AsString()), "\n")
			if v.AsString() == "" {
				return jinja.NewList(nil), nil
			}
			return texts(strings.Split(s, "\n")), nil
		},
		"join":    func(v value, a []value, _ map[string]value) (value, error) { return joinMethod(v.AsString(), a) },
		"isdigit": every(unicode.IsDigit), "isalpha": every(unicode.IsLetter), "isspace": every(unicode.IsSpace),
		"isalnum": every(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }),
		"isupper": func(v value, _ []value, _ map[string]value) (value, error) {
			is, err := testTable["upper"]([]value{v})
			return jinja.NewBool(is), err
		},
		"islower": func(v value, _ []value, _ map[string]value) (value, error) {
			is, err := testTable["lower"]([]value{v})
			return jinja.NewBool(is), err
		},
		"format": format,
	}
}

func texts(s []string) value {
	all := make([]value, len(s))
	for i, x := range s {
		all[i] = jinja.NewString(x)
	}
	return jinja.NewList(all)
}

// strip takes white space, or the characters of the first argument, off the ends.
func strip(s string, a []value, n map[string]value, left, right bool) (value, error) {
	chars := argument(a, n, 0, "chars", jinja.None())
	cut := unicode.IsSpace
	if !chars.IsNone() {
		cut = func(r rune) bool { return strings.ContainsRune(text(chars), r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, cut)
	}
	if right {
		s = strings.TrimRightFunc(s, cut)
	}
	return jinja.NewString(s), nil
}

func replace(s string, a []value) (value, error) {
	if len(a) < 2 {
		return jinja.Undefined(), fmt.Errorf("replace expected at least 2 arguments, got %d", len(a))
	}
	count := -1
	if len(a) > 2 {
		if n, ok := asInt(a[2]); ok {
			count = int(n)
		}
	}
	return jinja.NewString(strings.Replace(s, text(a[0]), text(a[1]), count)), nil
}

func split(s string, a []value, n map[string]value, fromRight bool) (value, error) {
	sep := argument(a, n, 0, "sep", jinja.None())
	most, ok := asInt(argument(a, n, 1, "maxsplit", jinja.NewInt(-1)))
	if !ok {
		most = -1
	}
	if sep.IsNone() {
		parts := strings.Fields(s)
		if most >= 0 && int64(len(parts)) > most+1 {
			return jinja.Undefined(), fmt.Errorf("split at white space with maxsplit is not supported")
		}
		return texts(parts), nil
	}
	if text(sep) == "" {
		return jinja.Undefined(), fmt.Errorf("empty separator")
	}
	parts := strings.Split(s, text(sep))
	if over := len(parts) - int(most) - 1; most >= 0 && over > 0 {
		if fromRight {
			parts = append([]string{strings.Join(parts[:over+1], text(sep))}, parts[over+1:]...)
		} else {
			parts = append(parts[:most:most], strings.Join(parts[most:], text(sep)))
		}
	}
	return texts(parts), nil
}

func joinMethod(sep string, a []value) (value, error) {
	if len(a) != 1 {
		return jinja.Undefined(), fmt.Errorf("join takes exactly one argument (%d given)", len(a))
	}
	all, err := iterate(a[0])
	var parts []string
	for i, x := range all {
		if !x.IsString() {
			return x, fmt.Errorf("sequence item %d: expected str instance, %s found", i, typeName(x))
		}
		parts = append(parts, x.AsString())
	}
	return jinja.NewString(strings.Join(parts, sep)), err
}

// format is str.format with {}, {0} and {name}, without conversions and formats.
func format(v value, a []value, n map[string]value) (value, error) {
	s, next := v.AsString(), 0
	var b strings.Builder
	for {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			b.WriteString(s)
			return jinja.NewString(b.String()), nil
		}
		b.WriteString(s[:i])
		if i+1 < len(s) && s[i+1] == s[i] {
			b.WriteByte(s[i])
			s = s[i+2:]
			continue
		}
		j := strings.IndexByte(s, '}')
		if s[i] == '}' || j < 0 {
			return v, fmt.Errorf("single '%c' encountered in format string", s[i])
		}
		field := s[i+1 : j]
		s = s[j+1:]
		x := jinja.Undefined()
		if field == "" {
			x = argument(a, nil, next, "", x)
			next++
		} else if k, err := toInt([]value{jinja.NewString(field), jinja.NewInt(-1)}, nil); err == nil && k.AsInt() >= 0 {
			x = argument(a, nil, int(k.AsInt()), "", x)
		} else {
			x = argument(nil, n, 0, field, x)
		}
		if x.IsUndefined() {
			return v, fmt.Errorf("format has no argument for {%s}", field)
		}
		b.WriteString(text(x))
	}
}

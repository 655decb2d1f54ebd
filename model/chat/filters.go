package chat

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ardanlabs/jinja"
)

// filterTable holds jinja2's filters (jinja2/filters.py, 3.1), and tojson and from_json as transformers has them.
var filterTable map[string]function

func makeFilters() {
	filterTable = map[string]function{
		"tojson": tojson, "from_json": fromJSON, "fromjson": fromJSON,
		"items":   func(a []value, _ map[string]value) (value, error) { return pairsOf(a[0]) },
		"join":    join,
		"default": byDefault, "d": byDefault,
		"trim":  func(a []value, n map[string]value) (value, error) { return strip(text(a[0]), a[1:], n, true, true) },
		"lower": onText(strings.ToLower), "upper": onText(strings.ToUpper), "title": onText(title), "capitalize": onText(capitalize),
		"string": onText(func(s string) string { return s }), "safe": onText(func(s string) string { return s }),
		"escape": onText(escape), "e": onText(escape),
		"first":  func(a []value, _ map[string]value) (value, error) { return end(a[0], 0) },
		"last":   func(a []value, _ map[string]value) (value, error) { return end(a[0], -1) },
		"length": length, "count": length,
		"list": func(a []value, _ map[string]value) (value, error) {
			all, err := iterate(a[0])
			return jinja.NewList(all), err
		},
		"reverse": reverse, "sort": sortFilter, "unique": unique, "dictsort": dictsort,
		"min": func(a []value, n map[string]value) (value, error) { return extreme(a, n, -1) },
		"max": func(a []value, n map[string]value) (value, error) { return extreme(a, n, 1) },
		"sum": sum, "abs": abs, "int": toInt, "float": toFloat, "round": round,
		"replace": func(a []value, n map[string]value) (value, error) {
			return replace(text(a[0]), append(a[1:], named(n, "count")...))
		},
		"indent": indent, "wordcount": func(a []value, _ map[string]value) (value, error) {
			return jinja.NewInt(int64(len(strings.Fields(text(a[0]))))), nil
		},
		"map":        mapFilter,
		"select":     func(a []value, _ map[string]value) (value, error) { return choose(a, false, true) },
		"reject":     func(a []value, _ map[string]value) (value, error) { return choose(a, false, false) },
		"selectattr": func(a []value, _ map[string]value) (value, error) { return choose(a, true, true) },
		"rejectattr": func(a []value, _ map[string]value) (value, error) { return choose(a, true, false) },
		"groupby":    groupby, "batch": batch, "attr": func(a []value, _ map[string]value) (value, error) {
			return attribute(a[0], text(a[1]))
		},
		"format": func(a []value, _ map[string]value) (value, error) { return percent(text(a[0]), jinja.NewList(a[1:])) },
	}
}

// onText makes a filter of a function of text.
func onText(f func(string) string) function {
	return func(a []value, _ map[string]value) (value, error) { return jinja.NewString(f(text(a[0]))), nil }
}

func named(n map[string]value, name string) []value {
	if v, ok := n[name]; ok {
		return []value{v}
	}
	return nil
}

func tojson(a []value, n map[string]value) (value, error) {
	d := &dumper{item: ", ", colon: ": "}
	d.ascii = argument(a, n, 1, "ensure_ascii", jinja.None()).IsTruthy()
	d.sort = argument(a, n, 4, "sort_keys", jinja.None()).IsTruthy()
	if by := argument(a, n, 2, "indent", jinja.None()); !by.IsNone() && !by.IsUndefined() {
		d.multi, d.item = true, ","
		if i, ok := asInt(by); ok {
			d.indent = strings.Repeat(" ", int(max(0, min(i, 100))))
		} else {
			d.indent = text(by)
		}
	}
	if s := argument(a, n, 3, "separators", jinja.None()); s.IsList() {
		if s.AsList().Len() != 2 {
			return s, fmt.Errorf("tojson wants two separators")
		}
		d.item, d.colon = text(s.AsList().Items[0]), text(s.AsList().Items[1])
	}
	err := d.dump(a[0], 0)
	return jinja.NewString(d.String()), err
}

func fromJSON(a []value, _ map[string]value) (value, error) { return decode([]byte(text(a[0]))) }

func pairsOf(v value) (value, error) {
	if v.IsUndefined() {
		return jinja.NewList(nil), nil
	}
	if !v.IsDict() {
		return v, fmt.Errorf("can only get item pairs from a mapping")
	}
	var all []value
	for _, k := range keys(v) {
		all = append(all, jinja.NewList([]value{jinja.NewString(k), v.AsDict().Data[k]}))
	}
	return jinja.NewList(all), nil
}

// path is what an attribute argument names: a.b.0 of v.
func path(v value, name value) (value, error) {
	if !name.IsString() {
		return item(v, name)
	}
	for _, part := range strings.Split(name.AsString(), ".") {
		key := jinja.NewString(part)
		if n, err := strconv.ParseInt(part, 10, 64); err == nil {
			key = jinja.NewInt(n)
		}
		var err error
		if v, err = item(v, key); err != nil {
			return v, err
		}
	}
	return v, nil
}

// keyed lists the items of v, each with what it is sorted by: an attribute perhaps, and in lower case unless case matters.
func keyed(v, attribute value, matters bool) (all, by []value, err error) {
	if all, err = iterate(v); err != nil {
		return nil, nil, err
	}
	for _, x := range all {
		if !attribute.IsNone() {
			if x, err = path(x, attribute); err != nil {
				return nil, nil, err
			}
		}
		if x.IsString() && !matters {
			x = jinja.NewString(strings.ToLower(x.AsString()))
		}
		by = append(by, x)
	}
	return all, by, nil
}

// arrange sorts items by what is beside them, stably.
func arrange(all, by []value, backwards bool) (out []value, err error) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		c, e := compare(by[i], by[j])
		if e != nil {
			err = e
		}
		if backwards {
			return -c
		}
		return c
	})
	for _, i := range order {
		out = append(out, all[i])
	}
	return out, err
}

func sortFilter(a []value, n map[string]value) (value, error) {
	all, by, err := keyed(a[0], argument(a, n, 3, "attribute", jinja.None()), argument(a, n, 2, "case_sensitive", jinja.None()).IsTruthy())
	if err != nil {
		return a[0], err
	}
	out, err := arrange(all, by, argument(a, n, 1, "reverse", jinja.None()).IsTruthy())
	return jinja.NewList(out), err
}

func unique(a []value, n map[string]value) (value, error) {
	all, by, err := keyed(a[0], argument(a, n, 2, "attribute", jinja.None()), argument(a, n, 1, "case_sensitive", jinja.None()).IsTruthy())
	var out []value
	for i, x := range all {
		if !slices.ContainsFunc(by[:i], func(y value) bool { return equal(by[i], y) }) {
			out = append(out, x)
		}
	}
	return jinja.NewList(out), err
}

func dictsort(a []value, n map[string]value) (value, error) {
	pairs, err := pairsOf(a[0])
	if err != nil {
		return pairs, err
	}
	place := int64(0)
	if text(argument(a, n, 2, "by", jinja.NewString("key"))) == "value" {
		place = 1
	}
	all, by, err := keyed(pairs, jinja.NewInt(place), argument(a, n, 1, "case_sensitive", jinja.None()).IsTruthy())
	if err != nil {
		return pairs, err
	}
	out, err := arrange(all, by, argument(a, n, 3, "reverse", jinja.None()).IsTruthy())
	return jinja.NewList(out), err
}

func extreme(a []value, n map[string]value, sign int) (value, error) {
	all, by, err := keyed(a[0], argument(a, n, 2, "attribute", jinja.None()), argument(a, n, 1, "case_sensitive", jinja.None()).IsTruthy())
	if err != nil || len(all) == 0 {
		return jinja.Undefined(), err
	}
	best := 0
	for i := range all {
		c, err := compare(by[i], by[best])
		if err != nil {
			return a[0], err
		}
		if c*sign > 0 {
			best = i
		}
	}
	return all[best], nil
}

func groupby(a []value, n map[string]value) (value, error) {
	attribute := argument(a, n, 1, "attribute", jinja.None())
	matters := argument(a, n, 3, "case_sensitive", jinja.None()).IsTruthy()
	all, by, err := keyed(a[0], attribute, matters)
	if err != nil {
		return a[0], err
	}
	if all, err = arrange(all, by, false); err != nil {
		return a[0], err
	}
	_, by, _ = keyed(jinja.NewList(all), attribute, matters)
	var groups []value
	for i, x := range all {
		if i == 0 || !equal(by[i], by[i-1]) {
			key, err := path(x, attribute)
			if err != nil {
				return x, err
			}
			groups = append(groups, jinja.NewList([]value{key, jinja.NewList(nil)}))
		}
		groups[len(groups)-1].AsList().Items[1].AsList().Append(x)
	}
	return jinja.NewList(groups), nil
}

func join(a []value, n map[string]value) (value, error) {
	all, err := iterate(a[0])
	if err != nil {
		return a[0], err
	}
	attribute := argument(a, n, 2, "attribute", jinja.None())
	var parts []string
	for _, x := range all {
		if !attribute.IsNone() {
			if x, err = path(x, attribute); err != nil {
				return x, err
			}
		}
		parts = append(parts, text(x))
	}
	return jinja.NewString(strings.Join(parts, text(argument(a, n, 1, "d", jinja.NewString(""))))), nil
}

func byDefault(a []value, n map[string]value) (value, error) {
	if a[0].IsUndefined() || argument(a, n, 2, "boolean", jinja.None()).IsTruthy() && !a[0].IsTruthy() {
		return argument(a, n, 1, "default_value", jinja.NewString("")), nil
	}
	return a[0], nil
}

func end(v value, place int64) (value, error) {
	all, err := iterate(v)
	if err != nil || len(all) == 0 {
		return jinja.Undefined(), err
	}
	return item(jinja.NewList(all), jinja.NewInt(place))
}

func length(a []value, _ map[string]value) (value, error) {
	switch v := a[0]; {
	case v.IsString():
		return jinja.NewInt(int64(utf8.RuneCountInString(v.AsString()))), nil
	case v.IsList(), v.IsDict(), v.IsUndefined():
		all, err := iterate(v)
		return jinja.NewInt(int64(len(all))), err
	}
	return a[0], fmt.Errorf("object of type '%s' has no len()", typeName(a[0]))
}

func reverse(a []value, _ map[string]value) (value, error) {
	return slice(a[0], []value{jinja.None(), jinja.None(), jinja.NewInt(-1)})
}

func sum(a []value, n map[string]value) (value, error) {
	attribute := argument(a, n, 1, "attribute", jinja.None())
	total := argument(a, n, 2, "start", jinja.NewInt(0))
	all, err := iterate(a[0])
	for _, x := range all {
		if !attribute.IsNone() {
			if x, err = path(x, attribute); err != nil {
				return x, err
			}
		}
		if total, err = add(total, x); err != nil {
			return x, err
		}
	}
	return total, err
}

func abs(a []value, _ map[string]value) (value, error) {
	if asFloat(a[0]) < 0 {
		return subNumbers(jinja.NewInt(0), a[0])
	}
	return addNumbers(jinja.NewInt(0), a[0])
}

func toInt(a []value, n map[string]value) (value, error) {
	if i, ok := asInt(a[0]); ok {
		return jinja.NewInt(i), nil
	}
	if a[0].IsFloat() {
		return jinja.NewInt(int64(a[0].AsFloat())), nil
	}
	if a[0].IsString() {
		s := strings.TrimSpace(a[0].AsString())
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return jinja.NewInt(i), nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return jinja.NewInt(int64(f)), nil
		}
	}
	return argument(a, n, 1, "default", jinja.NewInt(0)), nil
}

func toFloat(a []value, n map[string]value) (value, error) {
	if isNumber(a[0]) {
		return jinja.NewFloat(asFloat(a[0])), nil
	}
	if a[0].IsString() {
		if f, err := strconv.ParseFloat(strings.TrimSpace(a[0].AsString()), 64); err == nil {
			return jinja.NewFloat(f), nil
		}
	}
	return argument(a, n, 1, "default", jinja.NewFloat(0)), nil
}

func round(a []value, n map[string]value) (value, error) {
	digits, _ := asInt(argument(a, n, 1, "precision", jinja.NewInt(0)))
	by := math.Pow(10, float64(digits))
	x := asFloat(a[0])
	switch text(argument(a, n, 2, "method", jinja.NewString("common"))) {
	case "ceil":
		return jinja.NewFloat(math.Ceil(x*by) / by), nil
	case "floor":
		return jinja.NewFloat(math.Floor(x*by) / by), nil
	}
	f, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', int(max(0, digits)), 64), 64) // half to even of the number as it is
	return jinja.NewFloat(f), err
}

func indent(a []value, n map[string]value) (value, error) {
	with := argument(a, n, 1, "width", jinja.NewInt(4))
	by := text(with)
	if i, ok := asInt(with); ok {
		by = strings.Repeat(" ", int(max(0, min(i, 1000))))
	}
	first, blank := argument(a, n, 2, "first", jinja.None()).IsTruthy(), argument(a, n, 3, "blank", jinja.None()).IsTruthy()
	lines := strings.Split(text(a[0]), "\n")
	for i, line := range lines {
		if i == 0 && !first || line == "" && !blank && i > 0 {
			continue
		}
		lines[i] = by + line
	}
	return jinja.NewString(strings.Join(lines, "\n")), nil
}

func mapFilter(a []value, n map[string]value) (value, error) {
	all, err := iterate(a[0])
	if err != nil {
		return a[0], err
	}
	attribute, byAttribute := n["attribute"]
	otherwise, hasDefault := n["default"]
	var f function
	if !byAttribute {
		if len(a) < 2 || filterTable[text(a[1])] == nil {
			return a[0], fmt.Errorf("map wants an attribute or the name of a filter")
		}
		f = filterTable[text(a[1])]
	}
	var out []value
	for _, x := range all {
		if byAttribute {
			if x, err = path(x, attribute); err == nil && x.IsUndefined() && hasDefault {
				x = otherwise
			}
		} else {
			x, err = f(append([]value{x}, a[2:]...), n)
		}
		if err != nil {
			return x, err
		}
		out = append(out, x)
	}
	return jinja.NewList(out), nil
}

// choose keeps the items of which, or of whose attribute, a test holds or does not; without a test, that are true.
func choose(a []value, byAttribute, wanted bool) (value, error) {
	all, err := iterate(a[0])
	if err != nil {
		return a[0], err
	}
	args := a[1:]
	var attribute value
	if byAttribute {
		if len(args) == 0 {
			return a[0], fmt.Errorf("the name of an attribute is missing")
		}
		attribute, args = args[0], args[1:]
	}
	holds := func(args []value) (bool, error) { return args[0].IsTruthy(), nil }
	if len(args) > 0 {
		if holds = testTable[text(args[0])]; holds == nil {
			return a[0], fmt.Errorf("no test named %q", text(args[0]))
		}
		args = args[1:]
	}
	var out []value
	for _, x := range all {
		y := x
		if byAttribute {
			if y, err = path(x, attribute); err != nil {
				return y, err
			}
		}
		is, err := holds(append([]value{y}, args...))
		if err != nil {
			return x, err
		}
		if is == wanted {
			out = append(out, x)
		}
	}
	return jinja.NewList(out), nil
}

func batch(a []value, n map[string]value) (value, error) {
	all, err := iterate(a[0])
	size, _ := asInt(argument(a, n, 1, "linecount", jinja.NewInt(1)))
	fill := argument(a, n, 2, "fill_with", jinja.None())
	var out []value
	for part := range slices.Chunk(all, int(max(1, size))) {
		part = slices.Clone(part)
		for !fill.IsNone() && len(part) < int(size) {
			part = append(part, fill)
		}
		out = append(out, jinja.NewList(part))
	}
	return jinja.NewList(out), err
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

func escape(s string) string { return htmlEscapes.Replace(s) }

func capitalize(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return string(unicode.ToTitle(r)) + strings.ToLower(s[n:])
}

// title begins each word with a capital; words are what stands between white space and any of -({[<.
func title(s string) string {
	begin := true
	return strings.Map(func(r rune) rune {
		was := begin
		begin = unicode.IsSpace(r) || strings.ContainsRune("-({[<", r)
		if was {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

package serve

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Lengths is a distribution of numbers of tokens. Its text form is one of
//
//	fixed:N                 always N
//	uniform:A,B             A to B, each as likely
//	lognormal:MEDIAN,SIGMA  the mean is MEDIAN·exp(SIGMA²/2)
//	lognormal               the same with parameters of Or
type Lengths struct {
	kind string
	a, b float64
}

// ChatPrompts and ChatOutputs have the means of ShareGPT's conversations, 161 and 338 tokens (Kwon et al. 2023, arXiv
// 2309.06180, figure 11), in a shape close to that figure's.
var (
	ChatPrompts = Lengths{"lognormal", 98, 1}
	ChatOutputs = Lengths{"lognormal", 205, 1}
)

// Or is l with parameters, or other where l has none.
func (l Lengths) Or(other Lengths) Lengths {
	if l.a == 0 {
		return other
	}
	return l
}

// UnmarshalText reads the text form.
func (l *Lengths) UnmarshalText(text []byte) error {
	kind, list, given := strings.Cut(string(text), ":")
	wrong := fmt.Errorf("%q is not a distribution of lengths; give fixed:N, uniform:A,B, lognormal or lognormal:MEDIAN,SIGMA, of at least 1 token", text)
	want, ok := map[string]int{"fixed": 1, "uniform": 2, "lognormal": 2}[kind]
	if !ok || !given && kind != "lognormal" {
		return wrong
	}
	*l = Lengths{kind: kind}
	if !given {
		return nil
	}
	var v [2]float64
	words := strings.Split(list, ",")
	if len(words) != want {
		return wrong
	}
	for i, word := range words {
		x, err := strconv.ParseFloat(word, 64)
		if err != nil || math.IsNaN(x) || x > 1<<30 || x < 0 || kind != "lognormal" && x != math.Trunc(x) {
			return wrong
		}
		v[i] = x
	}
	if l.a, l.b = v[0], v[1]; l.a < 1 || kind == "uniform" && l.b < l.a || l.b > 10 && kind == "lognormal" {
		return wrong
	}
	return nil
}

// String is the text form.
func (l Lengths) String() string {
	switch {
	case l.a == 0:
		return l.kind
	case l.kind == "fixed":
		return fmt.Sprintf("fixed:%g", l.a)
	}
	return fmt.Sprintf("%s:%g,%g", l.kind, l.a, l.b)
}

// draw is a length of at least 1.
func (l Lengths) draw(r *rand.Rand) int {
	switch l.kind {
	case "uniform":
		return int(l.a) + r.IntN(int(l.b-l.a)+1)
	case "lognormal":
		return int(max(1, min(math.Round(l.a*math.Exp(l.b*r.NormFloat64())), 1<<30)))
	}
	return int(l.a)
}

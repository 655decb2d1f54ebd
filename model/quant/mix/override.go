package mix

import (
	"fmt"
	"regexp"
	"strings"

	"umbra/model/gguf"
	"umbra/model/quant"
)

// Override gives the tensors whose names a pattern finds a type of their own.
type Override struct {
	pattern *regexp.Regexp
	Type    gguf.Type
}

// Match reports whether the pattern is found in a tensor's name.
func (o Override) Match(name string) bool { return o.pattern.MatchString(name) }

func (o Override) String() string { return fmt.Sprintf("%v=%v", o.pattern, o.Type) }

// ParseOverride reads "PATTERN=TYPE", such as "ffn_down=q6_k" or "blk\.[0-3]\..*=f16". The pattern is a regular expression that may
// be found anywhere in the name.
func ParseOverride(text string) (Override, error) {
	at := strings.LastIndexByte(text, '=')
	if at < 1 {
		return Override{}, fmt.Errorf("mix: %q is no PATTERN=TYPE, such as ffn_down=q6_k", text)
	}
	pattern, err := regexp.Compile(text[:at])
	if err != nil {
		return Override{}, fmt.Errorf("mix: the pattern of %q: %w", text, err)
	}
	t, err := ParseType(text[at+1:])
	if err != nil {
		return Override{}, fmt.Errorf("%w, in %q", err, text)
	}
	return Override{pattern, t}, nil
}

// ParseType reads a type that can be made, whatever the case.
func ParseType(name string) (gguf.Type, error) {
	var names []string
	for _, t := range quant.Quantizable() {
		if strings.EqualFold(t.String(), name) {
			return t, nil
		}
		names = append(names, strings.ToLower(t.String()))
	}
	for _, t := range quant.Types() {
		if strings.EqualFold(t.String(), name) {
			return 0, fmt.Errorf("mix: %v can be read, not made: its quantisers need calibration that umbra does not have; one of %s can be made",
				t, strings.Join(names, ", "))
		}
	}
	return 0, fmt.Errorf("mix: type %q is not one of %s", name, strings.Join(names, ", "))
}

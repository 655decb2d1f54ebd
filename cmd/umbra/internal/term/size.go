package term

import (
	"fmt"
	"strconv"
)

// Bytes writes a number of bytes with the largest binary unit that keeps it at 1 or more: "34 B", "2.50 KiB", "128 MiB".
// Three digits are kept, none after the point where there are three before it.
func Bytes(n uint64) string {
	if n < 1<<10 {
		return strconv.FormatUint(n, 10) + " B"
	}
	units := [...]string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	v, u := float64(n)/(1<<10), 0
	for digits(v) == "1024" || v >= 1<<10 {
		v, u = v/(1<<10), u+1
	}
	return digits(v) + " " + units[u]
}

// Count writes a whole number in groups of three digits: "31 489 344".
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	out := make([]byte, 0, len(s)+len(s)/3)
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			out = append(out, ' ')
		}
		out = append(out, s[i])
	}
	return string(out)
}

// Rate writes n things over some seconds as so many a second, "-" where nothing was timed.
func Rate(n int, seconds float64) string {
	if n <= 0 || seconds <= 0 {
		return "-"
	}
	return digits(float64(n) / seconds)
}

// digits writes a positive number with three digits, or all digits before the point if there are more.
func digits(v float64) string {
	places := 2
	for limit := 9.995; places > 0 && v >= limit; limit *= 10 {
		places--
	}
	return fmt.Sprintf("%.*f", places, v)
}

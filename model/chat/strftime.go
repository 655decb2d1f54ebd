package chat

import (
	"fmt"
	"strings"
	"time"
)

// strftime writes a time as C's strftime does in the C locale; what it does not know stays as it is.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		pad := true
		if format[i] == '-' && i+1 < len(format) { // GNU: without zeros
			pad = false
			i++
		}
		number := func(n, width int) {
			if !pad {
				width = 0
			}
			fmt.Fprintf(&b, "%0*d", width, n)
		}
		switch c := format[i]; c {
		case 'Y':
			number(t.Year(), 4)
		case 'y':
			number(t.Year()%100, 2)
		case 'm':
			number(int(t.Month()), 2)
		case 'd':
			number(t.Day(), 2)
		case 'e':
			fmt.Fprintf(&b, "%2d", t.Day())
		case 'H':
			number(t.Hour(), 2)
		case 'I':
			number((t.Hour()+11)%12+1, 2)
		case 'M':
			number(t.Minute(), 2)
		case 'S':
			number(t.Second(), 2)
		case 'f':
			fmt.Fprintf(&b, "%06d", t.Nanosecond()/1000)
		case 'j':
			number(t.YearDay(), 3)
		case 'u':
			number((int(t.Weekday())+6)%7+1, 1)
		case 'w':
			number(int(t.Weekday()), 1)
		case 'B':
			b.WriteString(t.Month().String())
		case 'b', 'h':
			b.WriteString(t.Month().String()[:3])
		case 'A':
			b.WriteString(t.Weekday().String())
		case 'a':
			b.WriteString(t.Weekday().String()[:3])
		case 'p':
			b.WriteString(t.Format("PM"))
		case 'Z', 'z': // datetime.now() has no zone
		case 'F':
			b.WriteString(strftime(t, "%Y-%m-%d"))
		case 'T', 'X':
			b.WriteString(strftime(t, "%H:%M:%S"))
		case 'D', 'x':
			b.WriteString(strftime(t, "%m/%d/%y"))
		case 'c':
			b.WriteString(strftime(t, "%a %b %e %H:%M:%S %Y"))
		case '%':
			b.WriteByte('%')
		default:
			b.WriteByte('%')
			b.WriteByte(c)
		}
	}
	return b.String()
}

package term

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	xterm "golang.org/x/term"
)

// progressDelay is how long work goes on before its bar is shown: shorter work needs none.
const progressDelay = time.Second

// Progress shows how far long work has come. Nil shows nothing.
type Progress struct {
	what string
	unit string // "" for bytes
	out  gate
	bar  *progressbar.ProgressBar
}

// NewProgress begins a bar for work measured in bytes. It is drawn on w from the second second on, and only if w is a
// terminal.
func NewProgress(w io.Writer, what string) *Progress {
	if !IsTerminal(w) {
		return nil
	}
	return newProgress(w, what, progressDelay)
}

// NewCount is NewProgress for work measured in something else, whose unit is the short name.
func NewCount(w io.Writer, what, unit string) *Progress {
	p := NewProgress(w, what)
	if p != nil {
		p.unit = unit
	}
	return p
}

func newProgress(w io.Writer, what string, delay time.Duration) *Progress {
	return &Progress{what: what, out: gate{w: w, opens: time.Now().Add(delay)}}
}

// Set says that done of total bytes are through.
func (p *Progress) Set(done, total int64) {
	if p == nil {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(&p.out),
			progressbar.OptionSetDescription(p.what),
			progressbar.OptionShowBytes(p.unit == ""),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(p.unit),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	_ = p.bar.Set64(done) // a terminal that cannot be written to loses a bar, not the work
}

// Describe changes what the bar says it is about.
func (p *Progress) Describe(what string) {
	if p == nil {
		return
	}
	p.what = what
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

// End takes the bar away, if it was ever seen.
func (p *Progress) End() {
	if p == nil || p.bar == nil || !p.out.used {
		return
	}
	_ = p.bar.Clear()
	p.bar = nil
}

// gate drops what is written before it opens.
type gate struct {
	w     io.Writer
	opens time.Time
	used  bool // something came through
}

func (g *gate) Write(b []byte) (int, error) {
	if time.Now().Before(g.opens) {
		return len(b), nil
	}
	g.used = true
	return g.w.Write(b)
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && xterm.IsTerminal(int(f.Fd()))
}

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

// Progress shows how far long work has come. The zero value, and nil, show nothing.
type Progress struct {
	w     io.Writer
	what  string
	start time.Time
	bar   *progressbar.ProgressBar
}

// NewProgress begins a bar for work measured in bytes. It is drawn on w from the second second on, and only if w is a
// terminal.
func NewProgress(w io.Writer, what string) *Progress {
	if !IsTerminal(w) {
		return nil
	}
	return &Progress{w: w, what: what, start: time.Now()}
}

// Set says that done of total bytes are through.
func (p *Progress) Set(done, total int64) {
	if p == nil || p.w == nil {
		return
	}
	if p.bar == nil {
		if done >= total || time.Since(p.start) < progressDelay {
			return
		}
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(p.w),
			progressbar.OptionSetDescription(p.what),
			progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	_ = p.bar.Set64(done) // a terminal that cannot be written to loses a bar, not the work
}

// End takes the bar away.
func (p *Progress) End() {
	if p == nil || p.bar == nil {
		return
	}
	_ = p.bar.Clear()
	p.bar = nil
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && xterm.IsTerminal(int(f.Fd()))
}

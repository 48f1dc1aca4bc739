package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressBar shows how far a long command is: a bar on a terminal, a line now and then in a log.
type progressBar struct {
	w        io.Writer
	terminal bool
	step     string
	bar      *progressbar.ProgressBar
	said     time.Time
}

// betweenLines is how often a log is told.
const betweenLines = 10 * time.Second

func newProgressBar(w io.Writer) *progressBar {
	f, ok := w.(*os.File)
	return &progressBar{w: w, terminal: ok && term.IsTerminal(int(f.Fd())), said: time.Now()}
}

// show tells that so much of a step is done; all is 0 where nobody knows.
func (p *progressBar) show(step string, done, all int64) {
	if !p.terminal {
		if time.Since(p.said) >= betweenLines {
			p.said = time.Now()
			_, _ = fmt.Fprintf(p.w, "%s: %d%s\n", step, done, ofAll(all))
		}
		return
	}
	if step != p.step {
		p.end()
		p.step = step
		if all <= 0 {
			all = -1 // a spinner
		}
		p.bar = progressbar.NewOptions64(all, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(step), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetSpinnerChangeInterval(0)) // without a goroutine of its own
	}
	_ = p.bar.Set64(done) // more than all is shown as all
}

func ofAll(all int64) string {
	if all <= 0 {
		return ""
	}
	return fmt.Sprintf(" of %d", all)
}

// end leaves the bar's line.
func (p *progressBar) end() {
	if p.bar != nil {
		_ = p.bar.Exit()
		_, _ = fmt.Fprintln(p.w)
		p.bar = nil
	}
}

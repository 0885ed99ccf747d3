package console

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"or3.chat/cloud/operator"
)

// plainEvery is how often progress is printed when there is no terminal to show it.
const plainEvery = 30 * time.Second

// Progress shows the progress of a check: with a bar on a terminal, otherwise with a line now and then.
type Progress struct {
	Out  io.Writer
	said time.Time // zero before the first time

	bars *mpb.Progress
	bar  *mpb.Bar
}

// Show shows how far the check is, out of total bytes.
func (p *Progress) Show(c operator.Check, total int64) {
	if p.said.IsZero() {
		p.said = time.Now()
		if f, ok := p.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			p.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(40))
			p.bar = p.bars.AddBar(total,
				mpb.PrependDecorators(decor.Name("reading files "), decor.CountersKiloByte("% .1f / % .1f")),
				mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.Elapsed(decor.ET_STYLE_GO)))
		}
	}
	if p.bar != nil {
		p.bar.SetCurrent(min(c.Bytes, total))
		return
	}
	if time.Since(p.said) < plainEvery {
		return
	}
	p.said = time.Now()
	fmt.Fprintf(p.Out, "fsck: %d files, %s of %s read, %d findings\n", c.Files, Bytes(c.Bytes), Bytes(total), len(c.Findings))
}

// End leaves the bar as it is.
func (p *Progress) End() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}

// Bytes formats a number of bytes for people.
func Bytes(n int64) string {
	units := [...]string{"kB", "MB", "GB", "TB"}
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n)/1000, 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

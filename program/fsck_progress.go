package program

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

// plainEvery is how often progress is told where it is not a terminal that shows it.
const plainEvery = 30 * time.Second

// checkProgress shows how far a check is: with a bar at a terminal, else with a line now and then.
type checkProgress struct {
	out  io.Writer
	said time.Time // zero before the first time

	bars *mpb.Progress
	bar  *mpb.Bar
}

// show is told how far the check is, of so many bytes in all.
func (p *checkProgress) show(c operator.Check, total int64) {
	if p.said.IsZero() {
		p.said = time.Now()
		if f, ok := p.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
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
	fmt.Fprintf(p.out, "fsck: %d files, %s of %s read, %d findings\n", c.Files, humanBytes(c.Bytes), humanBytes(total), len(c.Findings))
}

// end leaves the bar as it is.
func (p *checkProgress) end() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}

package program

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// plainEvery is how often progress is told where it is not a terminal that shows it.
const plainEvery = 30 * time.Second

// checkProgress shows how far a check is: with a bar at a terminal, else with a line now and then.
type checkProgress struct {
	out   io.Writer
	total int64
	said  time.Time

	bars *mpb.Progress
	bar  *mpb.Bar
}

func (c fsckCommandLine) newProgress(total int64) *checkProgress {
	p := &checkProgress{out: c.stderr, total: total, said: time.Now()}
	if f, ok := c.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(40))
		p.bar = p.bars.AddBar(total,
			mpb.PrependDecorators(decor.Name("reading files "), decor.CountersKiloByte("% .1f / % .1f")),
			mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.Elapsed(decor.ET_STYLE_GO)))
	}
	return p
}

func (p *checkProgress) show(s checkState) {
	if p.bar != nil {
		p.bar.SetCurrent(min(s.Bytes, p.total))
		return
	}
	if time.Since(p.said) < plainEvery {
		return
	}
	p.said = time.Now()
	fmt.Fprintf(p.out, "fsck: %d files, %s of %s read, %d findings\n", s.Files, humanBytes(s.Bytes), humanBytes(p.total), len(s.Findings))
}

// end leaves the bar as it is.
func (p *checkProgress) end() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}

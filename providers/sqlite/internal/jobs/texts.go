package jobs

import (
	"context"
	"strings"
	"unicode/utf8"

	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// The texts of a job.
const (
	content = iota
	reasoning
)

// piece is approximately the size in bytes of a stored piece of a text. New text is added to the last one until it is
// full: few rows, and little is rewritten.
const piece = 4 << 10

// text is a text with what must be known about it, which is found out before the writer.
type text struct {
	string
	units int64
}

func newText(s string) text {
	s = cut(s, jobs.MaxText)
	return text{s, int64(jsstring.Len(s))}
}

// cut returns well-formed text of at most most bytes.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// add appends to a text of a job, as much as fits.
func (x text) add(ctx context.Context, q *db.Queries, job, part int64) error {
	if x.string == "" {
		return nil
	}
	last, err := engine.Optional(q.LastJobText(ctx, db.LastJobTextParams{Job: job, Part: part}))
	if err != nil {
		return err
	}
	if room := jobs.MaxText - int(last.Bytes); len(x.string) > room {
		if x = newText(cut(x.string, room)); x.string == "" {
			return nil
		}
	}
	next := db.KeepJobTextParams{
		Job: job, Part: part, Place: last.Ends, Ends: last.Ends + x.units, Bytes: last.Bytes + int64(len(x.string)), Text: x.string,
	}
	if len(last.Text)+len(x.string) <= piece {
		next.Place, next.Text = last.Place, last.Text+x.string
	}
	return q.KeepJobText(ctx, next)
}

// replace makes it the whole text of a job.
func (x text) replace(ctx context.Context, q *db.Queries, job, part int64) error {
	if err := q.DropJobText(ctx, db.DropJobTextParams{Job: job, Part: part}); err != nil {
		return err
	}
	return x.add(ctx, q, job, part)
}

// textFrom returns a text of a job from a place on.
func textFrom(ctx context.Context, q *db.Queries, r row, part int64, from int) (jobs.Text, error) {
	length := r.ContentLength
	if part == reasoning {
		length = r.ReasoningLength
	}
	if from < 0 || int64(from) > length {
		from = 0
	}
	out := jobs.Text{From: from, Length: int(length)}
	if int64(from) == length {
		return out, nil
	}
	rows, err := q.JobTextFrom(ctx, db.JobTextFromParams{Job: r.Num, Part: part, Place: int64(from)})
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	var all strings.Builder
	for _, r := range rows {
		all.WriteString(r.Text)
	}
	out.Text = after(all.String(), from-int(rows[0].Place))
	return out, nil
}

// after returns what follows a number of UTF-16 code units. If they end within a character, a replacement character
// stands for the other half, so that lengths stay right.
func after(s string, units int) string {
	for i, r := range s {
		switch {
		case units == 0:
			return s[i:]
		case units < 0:
			return string(utf8.RuneError) + s[i:]
		}
		units--
		if r > 0xFFFF {
			units--
		}
	}
	if units < 0 {
		return string(utf8.RuneError)
	}
	return ""
}

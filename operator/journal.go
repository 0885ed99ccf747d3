package operator

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/logx"
)

// The questions about the log of the program, and the answers.
type (
	// JournalQuery asks for lines of a level and above: those after a line, or the newest ones if After is 0.
	JournalQuery struct {
		// Level is debug, info, warn or error; empty is info.
		Level string `json:"level,omitempty"`
		After uint64 `json:"after,omitempty"`
		// Limit is 1 to MostLines.
		Limit int `json:"limit"`
		// Wait is how many seconds the answer waits for a line if there is none, at most LongestWait.
		Wait int `json:"wait,omitempty"`
	}
	// Journal is lines of the log, the oldest first. Each is an object with time, level, msg, and the attributes of the
	// line.
	Journal struct {
		Lines []json.RawMessage `json:"lines"`
		// Last is the number of the last one, for the After of the next query; if there is none, it is that of the
		// query.
		Last uint64 `json:"last"`
		// Level is the lowest level that is written to the program's output.
		Level string `json:"level"`
	}
	// LogLevel is the lowest level to write; an empty one only asks for it.
	LogLevel struct {
		Level string `json:"level,omitempty"`
	}
)

// The limits of a JournalQuery.
const (
	MostLines   = 1000
	LongestWait = 20
)

// Levels are those of the log, the lowest first.
var Levels = []string{"debug", "info", "warn", "error"}

// The use cases of the log. A level that is set lasts until the program ends.
var (
	ReadJournal = UseCase[JournalQuery, Journal]{"journal/read", func(ctx context.Context, d *Desk, in JournalQuery) (Journal, error) {
		journal, level, err := d.journal(in)
		if err != nil {
			return Journal{}, err
		}
		ctx, end := context.WithTimeout(ctx, time.Duration(in.Wait)*time.Second)
		defer end()
		ctx, stop := until(ctx, d.instance.Closing())
		defer stop()
		defer journal.Follow(level)()
		for {
			lines, news := journal.Read(in.After, level, in.Limit)
			if len(lines) > 0 || ctx.Err() != nil {
				return journalOf(journal, lines, in.After), nil
			}
			select {
			case <-news:
			case <-ctx.Done():
			}
		}
	}}
	SetLogLevel = UseCase[LogLevel, LogLevel]{"journal/level", func(_ context.Context, d *Desk, in LogLevel) (LogLevel, error) {
		journal := d.instance.Options().Journal
		if journal == nil {
			return LogLevel{}, ErrNoJournal
		}
		if in.Level != "" {
			level, err := LevelOf(in.Level)
			if err != nil {
				return LogLevel{}, err
			}
			journal.SetLevel(level)
			journal.Info("the log level was changed", "to", in.Level)
		}
		return LogLevel{nameOf(journal.Level())}, nil
	}}
)

// ErrNoJournal is the answer where no server runs.
var ErrNoJournal = or3cloud.Errorf(or3cloud.CodeUnsupported, "no server is running here, and only a running one has a log")

// journal returns the log of the program, and the level of a query.
func (d *Desk) journal(in JournalQuery) (*logx.Journal, slog.Level, error) {
	journal := d.instance.Options().Journal
	if journal == nil {
		return nil, 0, ErrNoJournal
	}
	if in.Limit < 1 || in.Limit > MostLines || in.Wait < 0 || in.Wait > LongestWait {
		return nil, 0, or3cloud.Errorf(or3cloud.CodeInvalid, "the limit must be 1 to %d lines, and the wait at most %d seconds", MostLines, LongestWait)
	}
	level, err := LevelOf(in.Level)
	return journal, level, err
}

func journalOf(journal *logx.Journal, lines []logx.Line, after uint64) Journal {
	out := Journal{Lines: []json.RawMessage{}, Last: after, Level: nameOf(journal.Level())}
	for _, l := range lines {
		out.Lines, out.Last = append(out.Lines, l.Text), l.ID
	}
	return out
}

// LevelOf returns the level with a name; "" is info.
func LevelOf(name string) (slog.Level, error) {
	if name == "" {
		return slog.LevelInfo, nil
	}
	if !slices.Contains(Levels, name) {
		return 0, or3cloud.Errorf(or3cloud.CodeInvalid, "%q is not a log level; the levels are %s", name, strings.Join(Levels, ", "))
	}
	return logx.ParseLevel(name)
}

func nameOf(level slog.Level) string { return strings.ToLower(level.String()) }

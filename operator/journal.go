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

// What is asked about the log of the program, and the answers.
type (
	// JournalQuery asks for lines of a level and above: those that come after a line, or the newest ones if After is 0.
	JournalQuery struct {
		// Level is debug, info, warn or error; empty is info.
		Level string `json:"level,omitempty"`
		After uint64 `json:"after,omitempty"`
		// Limit is 1 to MostLines.
		Limit int `json:"limit"`
		// Wait is how many seconds the answer waits for a line if there is none, LongestWait at most.
		Wait int `json:"wait,omitempty"`
	}
	// Journal is lines of the log, the oldest first. Each is an object with time, level, msg, and what the line has besides.
	Journal struct {
		Lines []json.RawMessage `json:"lines"`
		// Last is the number of the last one, for the After of the next question; that of the question if there is none.
		Last uint64 `json:"last"`
		// Level is the least level that is written to the program's output.
		Level string `json:"level"`
	}
	// LogLevel is the least level that is written; empty only asks.
	LogLevel struct {
		Level string `json:"level,omitempty"`
	}
)

// The bounds of a JournalQuery.
const (
	MostLines   = 1000
	LongestWait = 20
)

// Levels are those of the log, the least first.
var Levels = []string{"debug", "info", "warn", "error"}

// The use cases of the log. The program's own level lasts until it ends.
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

// journal returns the log of the program, and the level that a question is about.
func (d *Desk) journal(in JournalQuery) (*logx.Journal, slog.Level, error) {
	journal := d.instance.Options().Journal
	if journal == nil {
		return nil, 0, ErrNoJournal
	}
	if in.Limit < 1 || in.Limit > MostLines || in.Wait < 0 || in.Wait > LongestWait {
		return nil, 0, or3cloud.Errorf(or3cloud.CodeInvalid, "the limit is 1 to %d lines, and the wait %d seconds at most", MostLines, LongestWait)
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
		return 0, or3cloud.Errorf(or3cloud.CodeInvalid, "%q is no level of the log; there are %s", name, strings.Join(Levels, ", "))
	}
	return logx.ParseLevel(name)
}

func nameOf(level slog.Level) string { return strings.ToLower(level.String()) }

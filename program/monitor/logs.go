package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"or3.chat/cloud/operator"
)

// reader is what the command line requests from the log.
type reader struct {
	out            io.Writer
	level          string
	lines          int
	follow, asJSON bool
}

// read requests lines and prints them, as JSON or as a server in a terminal writes them, until there are no more or ctx
// ends.
func (l reader) read(ctx context.Context, server operator.Caller) error {
	question := operator.JournalQuery{Level: l.level, Limit: l.lines}
	for {
		answer, err := operator.ReadJournal.Ask(ctx, server, question)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, line := range answer.Lines {
			if err := l.print(ctx, line); err != nil {
				return err
			}
		}
		if !l.follow || ctx.Err() != nil {
			return nil
		}
		question.After, question.Wait, question.Limit = answer.Last, operator.LongestWait, operator.MostLines
	}
}

// print prints a line.
func (l reader) print(ctx context.Context, line json.RawMessage) error {
	if l.asJSON {
		_, err := fmt.Fprintf(l.out, "%s\n", line)
		return err
	}
	record, err := recordOf(line)
	if err != nil {
		return fmt.Errorf("a line of the log cannot be read: %w", err)
	}
	handler := slog.NewTextHandler(l.out, &slog.HandlerOptions{Level: slog.LevelDebug})
	return handler.Handle(ctx, record)
}

// recordOf reads a line back, with its attributes in their order.
func recordOf(line []byte) (r slog.Record, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return r, errors.New("it is not an object")
	}
	var at time.Time
	var level slog.Level
	var text string
	var attrs []slog.Attr
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return r, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return r, err
		}
		name, _ := key.(string)
		switch name {
		case slog.TimeKey:
			err = json.Unmarshal(value, &at)
		case slog.LevelKey:
			err = json.Unmarshal(value, &level)
		case slog.MessageKey:
			err = json.Unmarshal(value, &text)
		default:
			attrs = append(attrs, slog.String(name, plain(value)))
		}
		if err != nil {
			return r, err
		}
	}
	r = slog.NewRecord(at, level, text, 0)
	r.AddAttrs(attrs...)
	return r, nil
}

// plain is a value as text.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

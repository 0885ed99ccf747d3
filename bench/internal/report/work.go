package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"or3.chat/cloud/bench/internal/measure"
)

// Record is what a load has done in the rounds of a measurement, for programs: a line of JSON.
type Record struct {
	// Key names the measurement, By who was measured.
	Key, By string
	// Unit is what is counted, such as "ops".
	Unit string
	*measure.Work
}

// Work adds a row with a rate and what it has cost, and keeps it for WriteRecords.
func (r *Report) Work(rec Record, name, note string) {
	r.records = append(r.records, rec)
	w := rec.Work
	parts := []string{fmt.Sprintf("µs of processor time: %s server, %s generator", measure.Number(w.Server.Median()), measure.Number(w.Generator.Median()))}
	if written := w.Written.Median(); written > 0 {
		parts = append(parts, fmt.Sprintf("%s bytes written", measure.Number(written)))
	}
	if note != "" {
		parts = append([]string{note}, parts...)
	}
	r.Figure(rec.By+", "+name, w.Rate.String(), strings.Join(parts, "; "))
}

// Value adds a row with one figure of each round, such as the size of a file, and keeps it for WriteRecords.
func (r *Report) Value(key, by, name, unit string, s measure.Series, note string) {
	r.records = append(r.records, Record{Key: key, By: by, Unit: unit, Work: &measure.Work{Rate: s}})
	r.Figure(by+", "+name, s.String(), note)
}

// line is a record as JSON. All values are one a round.
type line struct {
	Measurement string         `json:"measurement"`
	By          string         `json:"by"`
	Unit        string         `json:"unit"`
	Median      float64        `json:"median"`
	Rounds      measure.Series `json:"rounds"`
	Server      measure.Series `json:"serverMicros,omitempty"`
	Generator   measure.Series `json:"generatorMicros,omitempty"`
	Written     measure.Series `json:"writtenBytes,omitempty"`
	P50         measure.Series `json:"p50Millis,omitempty"`
	P99         float64        `json:"p99Millis,omitempty"` // of all rounds
}

// WriteRecords writes what was measured as lines of JSON, the machine and the time first.
func (r *Report) WriteRecords(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"machine": machine(), "started": r.Started.UTC(), "short": r.Short}); err != nil {
		return err
	}
	for _, rec := range r.records {
		l := line{
			Measurement: rec.Key, By: rec.By, Unit: rec.Unit, Median: rec.Rate.Median(), Rounds: rec.Rate,
			Server: rec.Server, Generator: rec.Generator, Written: rec.Written, P50: rec.P50,
		}
		if rec.Latency != nil {
			l.P99 = measure.MS(rec.Latency, 99)
		}
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

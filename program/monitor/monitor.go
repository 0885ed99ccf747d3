// Package monitor is for watching a running server: it prints load, state and log on the command line, and publishes
// metrics.
package monitor

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"or3.chat/cloud/host/load"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
)

// statusName is the name of the command on the control socket.
const statusName = "server/status"

// Status is the state of a server.
type Status struct {
	load.Summary
	// Address is where it listens.
	Address string `json:"address"`
	// Attention is what an operator should look at; empty if all is well.
	Attention []Finding `json:"attention"`
}

// Finding is something that needs attention.
type Finding struct {
	What string `json:"what"`
	Fix  string `json:"fix"`
}

// Commands are those with which a running server reports its state.
func Commands(address string, fares func(context.Context) (load.Summary, error)) control.Commands {
	return control.Commands{statusName: control.Func(func(ctx context.Context, _ operator.Nothing) (Status, error) {
		s, err := fares(ctx)
		return Status{Summary: s, Address: address, Attention: judge(s)}, err
	})}
}

// judge returns what needs attention.
func judge(s load.Summary) []Finding {
	found := []Finding{}
	add := func(holds bool, fix, format string, args ...any) {
		if holds {
			found = append(found, Finding{fmt.Sprintf(format, args...), fix})
		}
	}
	total := func(name string) float64 { return s.Totals[name] }
	add(!s.Ready, "See or3-cloud logs for what it is waiting for.", "The server does not serve all of its routes.")
	if s.Disk != nil {
		add(s.Disk.State == "low", "Free some space.", "The disk is nearly full: %s more can be written before changes are refused.", console.Bytes(int64(s.Disk.HeadroomBytes)))
		add(s.Disk.State == "full", "Free some space; the server then resumes automatically.", "The disk is full, so changes and uploads are refused.")
	}
	for _, database := range []string{"sync", "auth"} {
		add(total(`database_damaged{database="`+database+`"}`) > 0, "See or3-cloud logs for where, and restore a backup.", "The database of %s is damaged.", database)
	}
	add(total("storage_damaged_files") > 0, "Run or3-cloud fsck to see which.", "%.0f stored files are damaged.", total("storage_damaged_files"))
	add(total("sync_collection_failed") > 0, "See or3-cloud logs for the reason.", "The last collection of what is no longer needed failed.")
	add(total("mail_retrying") > 0, "Run or3-cloud mail test, which says what is wrong.", "The mail server has not accepted %.0f letters, which are waiting.", total("mail_retrying"))
	if last, ok := newest(s); ok {
		add(last.Faults > 0, "See or3-cloud logs --level warn.", "The server is returning internal errors, %.1f per second.", last.Faults)
	}
	return found
}

func newest(s load.Summary) (load.Point, bool) {
	if len(s.Points) == 0 {
		return load.Point{}, false
	}
	return s.Points[len(s.Points)-1], true
}

// Write prints a status.
func (s Status) Write(out io.Writer) {
	state := "ready"
	if !s.Ready {
		state = "not ready"
	}
	fmt.Fprintf(out, "OR3 Cloud %s at %s, %s, up %s\n\n", s.Version, s.Address, state, span(s.At.Sub(s.Started)))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	total := func(name string) float64 { return s.Totals[name] }
	size := func(name string) string { return console.Bytes(int64(total(name))) }
	if last, ok := newest(s.Summary); ok {
		line("Load", "%.1f requests and %.1f changes per second; %d requests under way", last.Requests, last.Ops, last.InFlight)
		if last.P95 > 0 {
			line("Answers", "half within %s, 95 %% within %s", milliseconds(last.P50), milliseconds(last.P95))
		}
		line("Devices", "%d waiting for changes", last.Listeners)
		line("Memory", "%s; requests hold %s of %s", console.Bytes(last.MemoryBytes), console.Bytes(last.RequestMemoryBytes), console.Bytes(s.RequestMemoryLimitBytes))
	} else {
		line("Load", "measured every %.0f seconds; the first figures follow in a moment", s.Step)
	}
	if s.Disk != nil {
		line("Disk", "%s: %s free of %s", s.Disk.State, console.Bytes(int64(s.Disk.FreeBytes)), console.Bytes(int64(s.Disk.SizeBytes)))
	}
	has := func(name string) bool { _, ok := s.Totals[name]; return ok }
	if has("users") {
		line("Stored", "%.0f users, %.0f workspaces, %s of changes, %.0f files with %s", total("users"), total(`workspaces{state="live"}`), size("sync_log_bytes"),
			total(`storage_files{state="live"}`), size(`storage_bytes{state="live"}`))
	}
	if has("sessions") {
		line("Accounts", "%.0f, signed in on %.0f browsers", total("accounts"), total("sessions"))
	}
	if has("mail_waiting") {
		line("Mail", "%.0f letters waiting, %.0f of them after a failed attempt", total("mail_waiting"), total("mail_retrying"))
	}
	if has("background_answers") {
		line("Answers in the background", "%.0f under way", total("background_answers"))
	}
	if waiting := total(`webhook_deliveries{status="pending"}`) + total(`webhook_deliveries{status="in_flight"}`); waiting > 0 {
		line("Webhooks", "%.0f deliveries waiting", waiting)
	}
	_ = w.Flush()
	if len(s.Attention) == 0 {
		fmt.Fprintln(out, "\nNothing needs attention.")
		return
	}
	fmt.Fprintln(out, "\nNeeds attention:")
	for _, f := range s.Attention {
		fmt.Fprintf(out, "  - %s\n    %s\n", f.What, f.Fix)
	}
}

// span writes a duration in its two largest units.
func span(d time.Duration) string {
	for _, u := range []struct {
		large, small time.Duration
		names        [2]string
	}{{24 * time.Hour, time.Hour, [2]string{"d", "h"}}, {time.Hour, time.Minute, [2]string{"h", "min"}}, {time.Minute, time.Second, [2]string{"min", "s"}}} {
		if d >= u.large {
			return fmt.Sprintf("%d %s %d %s", d/u.large, u.names[0], d%u.large/u.small, u.names[1])
		}
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func milliseconds(seconds float64) string {
	text := strings.TrimSuffix(fmt.Sprintf("%.1f", 1000*seconds), ".0")
	return text + " ms"
}

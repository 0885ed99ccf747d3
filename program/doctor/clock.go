package doctor

import (
	"fmt"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/datadir"
)

const (
	clockVariable = "clock"
	clockWhy      = "sign-ins, links and the order of changes depend on it"
	clockFix      = "Synchronise it over the network: timedatectl set-ntp true, or run chrony or ntpd. A container uses the clock of its machine."
	// skew is how far two clocks may differ without a warning.
	skew = 30 * time.Second
)

// clock compares the clock with what cannot be in the future, and asks the system whether anything sets it.
func (e *examination) clock() {
	e.look(AreaClock)
	now := e.Now()
	behind := func(of string, at time.Time) {
		if now.Before(at.Add(-skew)) {
			e.find(Error, AreaClock, or3cloud.Problem{
				Variable: clockVariable, Fault: fmt.Sprintf("says %s, but %s is from %s", now.UTC().Format(time.RFC3339), of, at.UTC().Format(time.RFC3339)),
				Why: clockWhy, Fix: clockFix,
			})
		}
	}
	if !e.Built.IsZero() {
		behind("this program", e.Built)
	}
	if e.DataDir != "" {
		if at := datadir.Newest(e.DataDir); !at.IsZero() {
			behind("the newest change in the data directory", at)
		}
	}
	if unsynchronised() {
		e.find(Warning, AreaClock, or3cloud.Problem{
			Variable: clockVariable, Fault: "is not synchronised, according to the kernel", Why: "it drifts: " + clockWhy, Fix: clockFix,
		})
	}
}

// compareClock compares the clock with that of another server, taken from its answer.
func (e *examination) compareClock(who, date string) {
	at, err := time.Parse(time.RFC1123, date)
	if err != nil {
		return
	}
	if ahead := e.Now().Sub(at); ahead.Abs() > skew {
		e.find(Warning, AreaClock, or3cloud.Problem{
			Variable: clockVariable, Fault: fmt.Sprintf("differs by %v from that of %s", ahead.Abs().Round(time.Second), who), Why: clockWhy, Fix: clockFix,
		})
	}
}

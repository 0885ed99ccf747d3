package factors

import (
	"database/sql"
	"testing"
	"time"

	"pgregory.net/rapid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// TestDecide holds whatever is stored and whatever the time is: a factor lifts every restriction, no account is
// restricted before its grace is over, an excuse makes nothing worse and ends, and time alone never lifts a
// restriction.
func TestDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "now"))
		grace := time.Duration(rapid.IntRange(0, 365).Draw(t, "days")) * 24 * time.Hour
		moment := func(name string) sql.NullInt64 {
			if !rapid.Bool().Draw(t, name+" is there") {
				return sql.NullInt64{}
			}
			return sql.NullInt64{Int64: now.Add(time.Duration(rapid.Int64Range(-400*24, 400*24).Draw(t, name)) * time.Hour).UnixMilli(), Valid: true}
		}
		row := db.FactorDemandRow{FactorDemandedAt: moment("demanded"), FactorExcusedUntil: moment("excused")}
		if decide(row, true, grace, now).Restricted {
			t.Fatal("restricted with a factor")
		}
		of := decide(row, false, grace, now)
		if !of.Demanded || of.Restricted != !now.Before(of.Due) {
			t.Fatalf("%+v", of)
		}
		believed := row.FactorDemandedAt.Valid && row.FactorDemandedAt.Int64 <= store.Latest(now)
		switch {
		case !believed && of.Due.Before(now.Add(grace)):
			t.Fatal("no grace before it was written down")
		case believed && of.Due.Before(time.UnixMilli(row.FactorDemandedAt.Int64).Add(grace)):
			t.Fatal("restricted before the grace has ended")
		case of.Due.After(now.Add(max(grace, or3cloud.LongestExcuse)).Add(store.Tolerance)):
			t.Fatal("an end that never comes")
		}
		without := row
		without.FactorExcusedUntil = sql.NullInt64{}
		if decide(without, false, grace, now).Due.After(of.Due) {
			t.Fatal("an excuse makes the grace shorter")
		}
		later := now.Add(time.Duration(rapid.Int64Range(0, 1000).Draw(t, "later")) * time.Hour)
		if believed && of.Restricted && !row.FactorExcusedUntil.Valid && !decide(row, false, grace, later).Restricted {
			t.Fatal("time lifts a restriction")
		}
	})
}

package sqlite

import (
	"context"
	"fmt"
	"time"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Stored times were written by a clock that may have been ahead. Everything that depends on such a time would wait for
// that day, so a time in the future is not believed: it is replaced by now, at the start and in each run of the
// maintenance.

// storedTime is a column that holds a time in Unix milliseconds.
type storedTime struct {
	table, column string
	// life, if not 0, says that the column is the end of something that lasts this long at most; otherwise it is when
	// something happened.
	life func(*Store) time.Duration
	// from is the column with the beginning of what ends in this one, if it tells the duration.
	from string
	// shown says why nothing depends on the column, so that it is left alone.
	shown string
}

// storedTimes are all columns of the schema that hold a time. A column that depends on its beginning comes before that
// beginning.
var storedTimes = []storedTime{
	{table: "device_cursors", column: "updated_at"},
	{table: "pinned", column: "at"},
	{table: "blob_orphans", column: "since"},
	{table: "retired_generations", column: "retired_at"},
	{table: "upload_intents", column: "expires_at", life: (*Store).longestIntent},
	{table: "invites", column: "expires_at", from: "created_at"},
	{table: "invites", column: "created_at"},
	{table: "workspaces", column: "created_at"},
	{table: "workspaces", column: "deleted_at"},
	{table: "jobs", column: "lease_until", life: func(*Store) time.Duration { return jobs.LongestLease }},
	{table: "jobs", column: "call_until", life: func(*Store) time.Duration { return jobs.LongestLease }},
	{table: "jobs", column: "due_at", life: func(*Store) time.Duration { return jobs.LongestTime + jobs.LongestLease }},
	{table: "job_cancellations", column: "at"},
	{table: "webhook_deliveries", column: "next_at", from: "created_at"},
	{table: "webhook_deliveries", column: "created_at"},
	{table: "webhook_deliveries", column: "claimed_at"},
	{table: "webhooks", column: "since"},
	{table: "admin_events", column: "at"},
	{table: "completions", column: "at"},
	{table: "audit", column: "at"},
	{table: "invites", column: "updated_at", shown: "is displayed only"},
	{table: "invites", column: "accepted_at", shown: "is displayed only"},
	{table: "invites", column: "revoked_at", shown: "is displayed only"},
	{table: "webhooks", column: "created_at", shown: "orders them only"},
	{table: "webhooks", column: "updated_at", shown: "is displayed only"},
	{table: "users", column: "created_at", shown: "is displayed only"},
	{table: "auth_accounts", column: "created_at", shown: "is displayed only"},
	{table: "members", column: "created_at", shown: "orders members only"},
	{table: "files", column: "updated_at", shown: "is a client's, and only compared with others of the same client"},
	{table: "jobs", column: "started_at", shown: "is displayed only"},
	{table: "jobs", column: "completed_at", shown: "is displayed only"},
	{table: "deployment_admins", column: "granted_at", shown: "orders them only"},
	{table: "rate_windows", column: "expires_at", shown: "is judged by internal/ratelimit, and deleted when it is too far ahead"},
	{table: "store_stamp", column: "at", shown: "says that the clock was ahead, and is rewritten at each start"},
	{table: "store_stamp", column: "restored_at", shown: "is displayed only"},
}

// longestIntent is the longest time for which space is promised: until an upload in pieces ends, or a commit that no
// row counts is collected.
func (s *Store) longestIntent() time.Duration { return max(s.opts.FileRetention, 24*time.Hour) }

// settleTimes replaces times in the future by now. Tables are searched outside the writer, and rows corrected in steps.
func (s *Store) settleTimes(ctx context.Context) error {
	for _, c := range storedTimes {
		if c.shown != "" {
			continue
		}
		if err := s.settleTime(ctx, c); err != nil {
			return fmt.Errorf("times of %s.%s: %w", c.table, c.column, err)
		}
	}
	return s.settleLog(ctx)
}

func (s *Store) settleTime(ctx context.Context, c storedTime) error {
	now := s.opts.Now()
	life := time.Duration(0)
	if c.life != nil {
		life = c.life(s)
	}
	latest, compared := now.Add(life).UnixMilli(), c.column
	value := "?1"
	if c.from != "" {
		value, compared = fmt.Sprintf("?1 + %s - %s", c.column, c.from), c.from
	}
	limit := latest + sqlitex.ClockTolerance.Milliseconds()
	text := fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s > ?2", c.table, c.column, value, compared)
	var found bool
	err := s.engine.DB.Read.QueryRowContext(ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE %s > ?)", c.table, compared), limit).Scan(&found)
	if err != nil || !found {
		return sqlitex.Translate(err)
	}
	return s.engine.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		_, err := t.Conn.ExecContext(ctx, text, latest, limit)
		return err
	})
}

// settleLog corrects the largest table, but only if the clock is known to have been ahead.
func (s *Store) settleLog(ctx context.Context) error {
	if !s.clockWasAhead.Load() {
		return nil
	}
	now := s.opts.Now().UnixMilli()
	if err := s.Collector.SettleTimes(ctx, now+sqlitex.ClockTolerance.Milliseconds(), now); err != nil {
		return fmt.Errorf("times of the log: %w", err)
	}
	s.clockWasAhead.Store(false)
	return nil
}

// noticeClock notices that the clock was set back: while the program runs, or before a restart that came before the log
// was corrected. The collection of deletions depends on the log's times, so those show it.
func (s *Store) noticeClock(ctx context.Context) error {
	now, tolerance := s.opts.Now().UnixMilli(), sqlitex.ClockTolerance.Milliseconds()
	if now < s.newest.Load()-tolerance {
		s.clockWasAhead.Store(true)
		s.newest.Store(now)
		return nil
	}
	s.newest.Store(max(now, s.newest.Load()))
	found, err := s.Collector.HasTimesAfter(ctx, now+tolerance)
	if found {
		s.clockWasAhead.Store(true)
	}
	return err
}

package sessions

import (
	"database/sql"
	"testing"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
)

func TestJudge(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	at := func(d time.Duration) int64 { return now.Add(d).UnixMilli() }
	gone := func(d time.Duration) sql.NullInt64 { return sql.NullInt64{Int64: at(d), Valid: true} }
	good := db.TokenRow{ExpiresAt: at(time.Hour), SessionExpiresAt: at(time.Hour), SessionVersion: 3, TokenVersion: 3}
	for name, c := range map[string]struct {
		change func(*db.TokenRow)
		want   verdict
		seen   bool
	}{
		"live":                                {func(*db.TokenRow) {}, live, false},
		"rotated just now":                    {func(r *db.TokenRow) { r.RotatedAt = gone(0) }, recent, false},
		"rotated in the window":               {func(r *db.TokenRow) { r.RotatedAt = gone(-29_999 * time.Millisecond) }, recent, false},
		"rotated, clock set back":             {func(r *db.TokenRow) { r.RotatedAt = gone(time.Minute) }, recent, false},
		"rotated in the window, then expired": {func(r *db.TokenRow) { r.RotatedAt, r.ExpiresAt = gone(-time.Second), at(-1) }, recent, false},
		"rotated, clock set back by days":     {func(r *db.TokenRow) { r.RotatedAt = gone(48 * time.Hour) }, replayed, false},
		"the answer was lost":                 {func(r *db.TokenRow) { r.RotatedAt, r.Repeatable = gone(-time.Hour), true }, repeated, false},
		"lost, but an access token was seen":  {func(r *db.TokenRow) { r.RotatedAt, r.Repeatable = gone(-time.Hour), true }, replayed, true},
		"lost, then expired":                  {func(r *db.TokenRow) { r.RotatedAt, r.Repeatable, r.ExpiresAt = gone(-time.Hour), true, at(0) }, worthless, false},
		"lost while the clock was ahead":      {func(r *db.TokenRow) { r.RotatedAt, r.Repeatable = gone(48*time.Hour), true }, undated, false},
		"lost then, and settled since":        {func(r *db.TokenRow) { r.RotatedAt.Valid, r.Repeatable = true, true }, undated, false},
		"replaced a moment ago":               {func(r *db.TokenRow) { r.RotatedAt, r.ReplacedAt = gone(-1), gone(-1) }, replayed, false},
		"replaced, then expired":              {func(r *db.TokenRow) { r.RotatedAt, r.ReplacedAt, r.ExpiresAt = gone(-1), gone(-1), at(0) }, worthless, false},
		"replaced, then session revoked":      {func(r *db.TokenRow) { r.RotatedAt, r.ReplacedAt, r.RevokedAt = gone(-1), gone(-1), gone(0) }, worthless, false},
		"end of the window":                   {func(r *db.TokenRow) { r.RotatedAt = gone(-30 * time.Second) }, replayed, false},
		"expired":                             {func(r *db.TokenRow) { r.ExpiresAt = at(0) }, worthless, false},
		"rotated long ago and expired":        {func(r *db.TokenRow) { r.RotatedAt, r.ExpiresAt = gone(-time.Hour), at(0) }, worthless, false},
		"session expired":                     {func(r *db.TokenRow) { r.SessionExpiresAt = at(0) }, worthless, false},
		"session revoked":                     {func(r *db.TokenRow) { r.RevokedAt = gone(-1) }, worthless, false},
		"rotated, then session revoked":       {func(r *db.TokenRow) { r.RotatedAt, r.RevokedAt = gone(-1), gone(0) }, worthless, false},
		"account changed":                     {func(r *db.TokenRow) { r.TokenVersion = 4 }, worthless, false},
	} {
		row := good
		c.change(&row)
		if got := judge(row, now, 30*time.Second, c.seen); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

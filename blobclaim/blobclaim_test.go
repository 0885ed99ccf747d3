package blobclaim

import (
	"errors"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// book is a ledger with fixed answers. It counts writes.
type book struct {
	retired, referenced, uploading bool
	deletedAt, lostAt              time.Time
	stale                          bool // rows change while they are being disowned
	failing                        string
	disowned, written              int
}

var errBook = errors.New("fault")

func (b *book) fail(what string) error {
	if b.failing == what {
		return errBook
	}
	return nil
}

func (b *book) Retired() (bool, error)               { return b.retired, b.fail("retired") }
func (b *book) WorkspaceDeleted() (time.Time, error) { return b.deletedAt, b.fail("deleted") }
func (b *book) Referenced() (bool, error)            { return b.referenced, b.fail("referenced") }
func (b *book) Uploading() (bool, error)             { return b.uploading, b.fail("uploading") }
func (b *book) LostAt() (time.Time, error)           { return b.lostAt, b.fail("lost") }
func (b *book) Disown() (bool, error)                { b.disowned++; return !b.stale, b.fail("disown") }
func (b *book) Retire() error                        { b.written++; return b.fail("retire") }

var at = time.Unix(1_700_000_000, 0)

// FuzzClaim checks that, whatever a ledger answers, nothing that is still needed is granted, a grant is recorded once,
// and a refusal or an error leaves nothing behind except what the transaction rolls back.
func FuzzClaim(f *testing.F) {
	f.Add(uint16(0), int64(0), int64(0), uint8(0))
	f.Add(uint16(0xffff), int64(-5), int64(5), uint8(3))
	f.Add(uint16(32), int64(-5), int64(-5), uint8(0))
	f.Fuzz(func(t *testing.T, flags uint16, deleted, lost int64, fault uint8) {
		b := &book{retired: flags&1 != 0, referenced: flags&2 != 0, uploading: flags&4 != 0, stale: flags&8 != 0}
		if flags&16 != 0 {
			b.deletedAt = at.Add(time.Duration(deleted % 1000))
		}
		if flags&32 != 0 {
			b.lostAt = at.Add(time.Duration(lost % 1000))
		}
		faults := []string{"", "retired", "deleted", "referenced", "uploading", "lost", "disown", "retire"}
		b.failing = faults[int(fault)%len(faults)]
		in := or3cloud.RetireRequest{UnreferencedSince: at, Destroy: flags&64 != 0}
		granted, err := Claim(in, b)
		switch {
		case err != nil:
			if b.failing == "" {
				t.Fatalf("%v", err)
			}
			return
		case b.written > 1 || b.disowned > 1:
			t.Errorf("written %d times, disowned %d times", b.written, b.disowned)
		case b.retired:
			if !granted || b.written+b.disowned > 0 {
				t.Errorf("what was granted before: granted %v, %+v", granted, b)
			}
			return
		}
		want := !b.referenced && !b.uploading && !b.lostAt.After(at) && !(in.Destroy && b.stale)
		if !b.deletedAt.IsZero() {
			want = !b.deletedAt.After(at)
		}
		if granted != want || (b.written == 1) != want {
			t.Errorf("granted %v, written %d, want %v: %+v", granted, b.written, want, b)
		}
		if wantDisowned := in.Destroy && b.deletedAt.IsZero() && !b.referenced && !b.uploading && !b.lostAt.After(at); (b.disowned == 1) != wantDisowned {
			t.Errorf("disowned %d: %+v", b.disowned, b)
		}
	})
}

func TestPolicy(t *testing.T) {
	day := 24 * time.Hour
	p := Policy{Now: at, Retention: 30 * day, TrashGrace: 2 * day}
	ago := func(d time.Duration) time.Time { return at.Add(-d) }
	for name, c := range map[string]struct {
		copy            Copy
		retire, destroy bool
		keeps, forgives time.Duration
	}{
		"fresh":                    {Copy{UploadedAt: ago(time.Hour)}, false, false, day, 30 * day},
		"abandoned":                {Copy{UploadedAt: ago(day + 1)}, true, false, day, 30 * day},
		"just not abandoned":       {Copy{UploadedAt: ago(day)}, false, false, day, 30 * day},
		"committed":                {Copy{UploadedAt: ago(40 * day), CommittedAt: ago(29 * day)}, false, false, 30 * day, 30 * day},
		"committed long ago":       {Copy{UploadedAt: ago(40 * day), CommittedAt: ago(31 * day)}, true, false, 30 * day, 30 * day},
		"committed, then uploaded": {Copy{UploadedAt: ago(day), CommittedAt: ago(40 * day)}, false, false, 30 * day, 30 * day},
		"put aside":                {Copy{UploadedAt: ago(40 * day), CommittedAt: ago(40 * day), TrashedAt: ago(2 * day)}, true, true, 30 * day, 30 * day},
		"put aside just now":       {Copy{UploadedAt: ago(40 * day), CommittedAt: ago(40 * day), TrashedAt: ago(2*day - 1)}, true, false, 30 * day, 30 * day},
		"deleted by a user":        {Copy{UploadedAt: ago(40 * day), CommittedAt: ago(40 * day), TrashedAt: ago(3 * day), DeletedAt: ago(3 * day)}, true, true, 30 * day, 2 * day},
	} {
		if got := p.MayRetire(c.copy); got != c.retire {
			t.Errorf("%s: may be retired: %v", name, got)
		}
		if got := p.MayDestroy(c.copy); got != c.destroy {
			t.Errorf("%s: may be destroyed: %v", name, got)
		}
		if p.Keeps(c.copy) != c.keeps || p.Forgives(c.copy) != c.forgives {
			t.Errorf("%s: kept %v, forgiven %v", name, p.Keeps(c.copy), p.Forgives(c.copy))
		}
		in := p.Destroy("ws", "hash", "fresh", c.copy)
		if !in.Destroy || !in.UnreferencedSince.Equal(ago(c.forgives)) || in.Generation != "fresh" {
			t.Errorf("%s: %+v", name, in)
		}
	}
	if in := p.Retire("ws", "hash", "g", day); in.Destroy || !in.UnreferencedSince.Equal(ago(day)) || in.WorkspaceID != "ws" || in.Hash != "hash" {
		t.Errorf("%+v", in)
	}
	// A retention shorter than a day also applies to abandoned copies, and to those that a user has deleted.
	short := Policy{Now: at, Retention: time.Hour, TrashGrace: 2 * day}
	if short.Keeps(Copy{}) != time.Hour || short.Forgives(Copy{DeletedAt: at}) != time.Hour {
		t.Error("a short retention is made longer")
	}
}

package basicauth

import (
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/sqlitex/faultydisk"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// onFaultyDisk opens the provider and moves it to a database on a disk whose failures the test decides.
func onFaultyDisk(t *testing.T, fatal func(error)) (*instance, *faultydisk.Disk, string) {
	in := openTest(t, nil)
	disk := faultydisk.New(t)
	path := filepath.Join(t.TempDir(), "accounts.sqlite")
	st, err := store.Open(t.Context(), sqlitex.Options{Path: path, VFS: disk.Name, Migrations: schema()}, in.env.Log, fatal)
	if err != nil {
		t.Fatal(err)
	}
	in.p.behind.Close() // it uses the store in the background
	original := *in.p.store
	*in.p.store = *st
	t.Cleanup(func() {
		if err := in.p.store.Close(); err != nil {
			t.Error(err)
		}
		*in.p.store = original
	})
	return in, disk, path
}

// wantAllUnavailable calls every endpoint that writes: 503, no cookie touched, and still signed in.
func (b *browser) wantAllUnavailable() {
	b.in.t.Helper()
	for path, body := range map[string]string{
		"refresh?silent=1": "", "refresh": "", "sign-out": "", "sign-in": credentials("ann@example.test", password),
		"register": registration("bob@example.test"), "change-password": change,
	} {
		a := b.post(path, body).want(b.in.t, 503, "Identity provider temporarily unavailable")
		a.wantCookiesKept(b.in.t)
		if a.err.RetryAfter <= 0 {
			b.in.t.Errorf("%s: no Retry-After", path)
		}
	}
	b.wantSignedIn()
}

func TestADiskThatIsFullIsWaitedOut(t *testing.T) {
	in, disk, _ := onFaultyDisk(t, func(err error) { t.Errorf("a full disk is called fatal: %v", err) })
	b := in.signedIn("ann@example.test")
	full := error(sqlite3.FULL)
	disk.Write.Store(&full)
	b.wantAllUnavailable()
	disk.Write.Store(nil)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
}

// After a failed fsync nothing more is acknowledged until the database is reopened, which finds everything that was
// acknowledged.
func TestAFailedSyncIsFinal(t *testing.T) {
	var told atomic.Int32
	in, disk, path := onFaultyDisk(t, func(error) { told.Add(1) })
	b := in.signedIn("ann@example.test")
	bad := error(sqlite3.IOERR_FSYNC)
	disk.Sync.Store(&bad)
	b.post("refresh", "").want(t, 503, "Identity provider temporarily unavailable").wantCookiesKept(t)
	disk.Sync.Store(nil)
	b.wantAllUnavailable()
	if told.Load() != 1 {
		t.Errorf("the host was told %d times", told.Load())
	}
	if !strings.Contains(in.log.String(), "accepts no more writes") {
		t.Error("the operator is not told")
	}
	if err := in.p.store.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), sqlitex.Options{Path: path, Migrations: schema()}, in.env.Log, nil)
	if err != nil {
		t.Fatal(err)
	}
	*in.p.store = *st
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
}

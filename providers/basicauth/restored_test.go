package basicauth

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providertest"
)

// withStores opens the instance again, with a data directory that knows its stores.
func (in *instance) withStores() {
	in.t.Helper()
	dir, err := datadir.Open(filepath.Join(in.t.TempDir(), "data"), datadir.Options{Now: in.clock.now})
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { in.Close(); dir.Close() })
	in.env.Stores = dir
	in.restart()
}

// putBack restarts the instance with an older copy of its database.
func (in *instance) putBack(copied []byte) {
	in.t.Helper()
	if err := in.Close(); err != nil {
		in.t.Fatal(err)
	}
	if err := os.WriteFile(in.dbPath(), copied, 0o600); err != nil {
		in.t.Fatal(err)
	}
	in.open()
}

// backup returns the database as a stopped server leaves it.
func (in *instance) backup() []byte {
	in.t.Helper()
	if err := in.Close(); err != nil {
		in.t.Fatal(err)
	}
	b, err := os.ReadFile(in.dbPath())
	if err != nil {
		in.t.Fatal(err)
	}
	in.open()
	return b
}

// TestWhatHasEndedStaysEnded when the accounts are restored from an older copy: sessions that were ended since, those
// that began since, access tokens of both, and codes that were used since.
func TestWhatHasEndedStaysEnded(t *testing.T) {
	in := openTest(t, nil)
	in.withStores()
	ann := in.signedIn("ann@example.test")
	_, codes := ann.enrol()
	copied := in.backup()
	in.clock.advance(time.Minute)
	thief := ann.copy()
	ann.post("sign-out", "")
	later := in.signedIn("eve@example.test") // an account that the copy does not know
	in.clock.advance(time.Minute)
	in.putBack(copied)
	for name, b := range map[string]*browser{"ended before": thief, "begun after": later} {
		if s, err := b.copy().session(); s != nil || err != nil {
			t.Errorf("a session that had %s the copy was made lives: %+v %v", name, s, err)
		}
	}
	var left int
	if err := in.p.store.File.Read.QueryRow("SELECT count(*) FROM recovery_codes").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d recovery codes of %d are good again, %v", left, len(codes), err)
	}
	if !strings.Contains(in.log.String(), "OLDER COPY") {
		t.Error("the log does not say that an older copy was put back")
	}
	// People sign in as before, and stay signed in over the next start.
	bob := in.signedIn("bob@example.test")
	in.restart()
	bob.wantSignedIn()
	if in.p.DatabaseState().RestoredAt == 0 {
		t.Error("the state does not say that an older copy was put back")
	}
}

// TestRestartsEndNoSession, whether the server was stopped or killed.
func TestRestartsEndNoSession(t *testing.T) {
	in := openTest(t, nil)
	in.withStores()
	ann := in.signedIn("ann@example.test")
	for range 3 {
		in.restart()
		ann.wantSignedIn()
	}
}

func TestStores(t *testing.T) {
	providertest.TestStores(t, func(t *testing.T) providertest.StoreBackend {
		in := openTest(t, nil)
		in.Close()
		in.env.DataDir = t.TempDir()
		return providertest.StoreBackend{Place: in.dbPath(), Open: func(stores or3cloud.Stores) (func() error, error) {
			in.env.Stores = stores
			opened, err := in.reopen()
			if err != nil {
				return nil, err
			}
			return opened.Close, nil
		}}
	})
}

// TestADamagedDatabaseIsNamed: whichever page of the accounts has changed on the disk, the instance opens, or the
// refusal says which file is damaged and what to do, even where a layer in between hides what SQLite said.
func TestADamagedDatabaseIsNamed(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	sound := in.backup()
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	write := func(content []byte) {
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.Remove(in.dbPath() + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(in.dbPath(), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const page = 4096
	refused := 0
	for at := page; at < len(sound); at += page {
		content := bytes.Clone(sound)
		for i := range content[at : at+page] {
			content[at+i] = byte(i*7 + at/page)
		}
		write(content)
		opened, err := in.reopen()
		if err == nil {
			if err := opened.Close(); err != nil && !sqlitex.IsDamage(err) {
				t.Errorf("page %d: close: %v", at/page+1, err)
			}
			continue
		}
		refused++
		if !errors.Is(err, sqlitex.ErrDamaged) || !strings.Contains(err.Error(), in.dbPath()) || !strings.Contains(err.Error(), "backup") {
			t.Errorf("page %d: %v", at/page+1, err)
		}
	}
	if refused == 0 {
		t.Error("no page stopped the start")
	}
	write(sound)
	in.open()
}

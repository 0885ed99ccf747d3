package basicauth

import (
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"or3.chat/cloud/internal/sqlitex"
)

// faultyDisk is a file system of the driver whose writes and syncs fail on demand.
type faultyDisk struct {
	vfs.VFS
	write, sync atomic.Pointer[error]
}

func newFaultyDisk(t *testing.T) (*faultyDisk, string) {
	d := &faultyDisk{VFS: vfs.Find("")}
	vfs.Register(t.Name(), d)
	t.Cleanup(func() { vfs.Unregister(t.Name()) })
	return d, t.Name()
}

func (d *faultyDisk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := d.VFS.Open(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return &faultyFile{File: f, disk: d}, flags, nil
}

func (d *faultyDisk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := vfsutil.WrapOpenFilename(d.VFS, name, flags)
	if err != nil {
		return nil, flags, err
	}
	return &faultyFile{File: f, disk: d}, flags, nil
}

type faultyFile struct {
	vfs.File
	disk *faultyDisk
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.disk.write.Load(); err != nil {
		return 0, *err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) Sync(flags vfs.SyncFlag) error {
	if err := f.disk.sync.Load(); err != nil {
		return *err
	}
	return f.File.Sync(flags)
}

func (f *faultyFile) SharedMemory() vfs.SharedMemory { return vfsutil.WrapSharedMemory(f.File) }

// onFaultyDisk opens the provider and moves it to a database on a disk whose faults the test decides.
func onFaultyDisk(t *testing.T, fatal func(error)) (*instance, *faultyDisk, string) {
	in := openTest(t, nil)
	disk, name := newFaultyDisk(t)
	path := filepath.Join(t.TempDir(), "accounts.sqlite")
	st, err := openStore(t.Context(), sqlitex.Options{Path: path, VFS: name}, in.env.Log, fatal)
	if err != nil {
		t.Fatal(err)
	}
	in.p.behind.close() // it looks at the store by itself
	original := in.p.store
	in.p.store = st
	t.Cleanup(func() {
		if err := in.p.store.close(); err != nil {
			t.Error(err)
		}
		in.p.store = original
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
	disk.write.Store(&full)
	b.wantAllUnavailable()
	disk.write.Store(nil)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
}

// After a failed fsync nothing more is acknowledged until the database is opened anew, which finds everything that was.
func TestAFailedSyncIsFinal(t *testing.T) {
	var told atomic.Int32
	in, disk, path := onFaultyDisk(t, func(error) { told.Add(1) })
	b := in.signedIn("ann@example.test")
	bad := error(sqlite3.IOERR_FSYNC)
	disk.sync.Store(&bad)
	b.post("refresh", "").want(t, 503, "Identity provider temporarily unavailable").wantCookiesKept(t)
	disk.sync.Store(nil)
	b.wantAllUnavailable()
	if told.Load() != 1 {
		t.Errorf("the host was told %d times", told.Load())
	}
	if !strings.Contains(in.log.String(), "accept no more writes") {
		t.Error("the operator is not told")
	}
	if err := in.p.store.close(); err != nil {
		t.Fatal(err)
	}
	st, err := openStore(t.Context(), sqlitex.Options{Path: path}, in.env.Log, nil)
	if err != nil {
		t.Fatal(err)
	}
	in.p.store = st
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
}

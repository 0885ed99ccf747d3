package files

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// store is a database with a member in a workspace.
type store struct {
	*Files
	t        testing.TB
	user, ws string
	n        int
}

func openTest(t testing.TB) *store {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Options{
		File: sqlitex.Options{Path: filepath.Join(t.TempDir(), "sync.sqlite"), Migrations: os.DirFS("../../migrations"), Synchronous: "OFF"},
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := members.New(e, members.Options{})
	l, err := changelog.New(t.Context(), e, w, changelog.Options{RecentKeys: 50, Noticed: func(string, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &store{Files: New(e, w, l, Options{}), t: t}
	if s.user, err = w.GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "u"}); err != nil {
		t.Fatal(err)
	}
	ws, err := w.GetOrCreateDefaultWorkspace(t.Context(), s.user)
	if err != nil {
		t.Fatal(err)
	}
	s.ws = ws.ID
	return s
}

// pushPost writes a post that names contents.
func (s *store) pushPost(pk string, hashes ...string) {
	s.t.Helper()
	s.n++
	op := or3cloud.Op{
		Table: or3cloud.TablePosts, Operation: or3cloud.OpPut, PK: pk,
		Payload: fmt.Appendf(nil, `{"id":%q,"created_at":1,"updated_at":1,"clock":%d,"title":"","content":"","post_type":"doc","deleted":false,"file_hashes":"[%s]"}`,
			pk, s.n, strings.ReplaceAll(strings.Join(hashes, ","), `"`, `\"`)),
		Stamp: or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", s.n), HLC: "h", Clock: int64(s.n)},
	}
	if p := syncschema.Check(&op); p != nil {
		s.t.Fatal(p.Text)
	}
	_, err := s.log.Push(s.t.Context(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: s.ws}, UserID: s.user, Ops: []or3cloud.Op{op}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// newest is the age of the newest run of the index.
func (s *store) newest() (age int64) {
	s.t.Helper()
	err := s.log.View(s.t.Context(), func(r *changelog.Reader) error { age = r.Newest(); return nil })
	if err != nil {
		s.t.Fatal(err)
	}
	return age
}

// TestAReferenceBetweenTheLookAndTheClaim pushes a reference after a claim has looked for some, and before its
// transaction. It is found where it is by then: in memory, in a run, or in a run that was merged with older ones.
// References that were obsolete at the look are not looked at.
func TestAReferenceBetweenTheLookAndTheClaim(t *testing.T) {
	hash := or3cloud.BlobHash("sha256:" + strings.Repeat("a1", 32))
	quoted := fmt.Sprintf("%q", string(hash))
	for _, runs := range []int64{0, 1, 2, 3, 4, 9} {
		for _, comes := range []bool{true, false} {
			s := openTest(t)
			num, err := s.Files.ws.Number(t.Context(), s.ws)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 40 {
				s.pushPost(fmt.Sprint("obsolete", i), quoted)
			}
			for i := range 40 {
				s.pushPost(fmt.Sprint("obsolete", i))
			}
			for i := 0; s.newest() == 0; i++ { // the obsolete ones are in runs
				s.pushPost(fmt.Sprint("other", i))
			}
			in := or3cloud.RetireRequest{WorkspaceID: s.ws, Hash: hash, Generation: "g", UnreferencedSince: time.Now().AddDate(1, 0, 0)}
			l := ledger{log: s.log, workspace: num, in: in}
			if err := l.lookAhead(t.Context()); err != nil || l.referenced {
				t.Fatalf("referenced %t, %v", l.referenced, err)
			}
			if comes {
				s.pushPost("late", quoted)
			}
			for i, looked := 0, l.newest; s.newest() < looked+runs; i++ {
				s.pushPost(fmt.Sprint("more", i))
			}
			granted := false
			err = s.e.Do(t.Context(), func(ctx context.Context, tx *engine.Tx) (err error) {
				l.ctx, l.t = ctx, tx
				granted, err = blobclaim.Claim(in, &l)
				return err
			})
			if err != nil || granted == comes {
				t.Errorf("after %d more runs, a reference came %t: granted %t, %v", runs, comes, granted, err)
			}
		}
	}
}

// TestManyRowsOfAContentAreNotCounted: one content has more file_meta rows than any client makes. What is promised for
// it is looked up in a few of them.
func TestManyRowsOfAContentAreNotCounted(t *testing.T) {
	s := openTest(t)
	num, err := s.Files.ws.Number(t.Context(), s.ws)
	if err != nil {
		t.Fatal(err)
	}
	var ops []or3cloud.Op
	for i := range 2 * maxRows {
		pk := fmt.Sprintf("%06d:%s", i, strings.Repeat("b2", 32))
		op := or3cloud.Op{
			Table: or3cloud.TableFileMeta, Operation: or3cloud.OpPut, PK: pk,
			Payload: fmt.Appendf(nil, `{"hash":%q,"deleted":false,"size_bytes":%d,"created_at":1,"updated_at":1,"clock":1}`, pk, i+1),
			Stamp:   or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", i), HLC: "h", Clock: 1},
		}
		if p := syncschema.Check(&op); p != nil {
			t.Fatal(p.Text)
		}
		ops = append(ops, op)
	}
	if _, err := s.log.Push(t.Context(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: s.ws}, UserID: s.user, Ops: ops}); err != nil {
		t.Fatal(err)
	}
	err = s.e.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error {
		size, err := s.sizesIn(tx).of(num, strings.Repeat("b2", 32))
		if err != nil || size != maxRows {
			t.Errorf("counted as %d bytes, %v; want the size of row %d", size, err, maxRows)
		}
		refs, n := changelog.Index(s.log, tx).ReferencesTo(num, strings.Repeat("b2", 32), 0, nil, 0), 0
		for refs.Next() && refs.Table == layout.TableNumber(or3cloud.TableFileMeta) {
			n++
		}
		if refs.Err() != nil || n != len(ops) {
			t.Errorf("%d rows, %v", n, refs.Err())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

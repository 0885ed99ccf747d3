package fs

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/pieces"
)

// begin begins an upload of content by user "u" that can be resumed for an hour.
func (r *rig) begin(content string) or3cloud.PartialUpload {
	r.t.Helper()
	p, err := r.BeginPartial(r.t.Context(), or3cloud.PartialUpload{
		WorkspaceID: "ws", UserID: "u", Hash: hashOf(content), SizeBytes: int64(len(content)), MIMEType: "image/png",
		Name: "name", Kind: "image", IntentID: "intent", ExpiresAt: r.clock.Now().Add(time.Hour).UTC(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// more sends bytes and returns how far the upload has come, as a later request sees it.
func (r *rig) more(p or3cloud.PartialUpload, offset int, body io.Reader) int64 {
	r.t.Helper()
	n, err := r.AppendPartial(r.t.Context(), p, int64(offset), body)
	if err != nil {
		r.t.Fatal(err)
	}
	return int64(offset) + n
}

func (r *rig) partial(id string) or3cloud.PartialUpload {
	r.t.Helper()
	p, err := r.Partial(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func isCode(err error, code or3cloud.Code) bool {
	var e *or3cloud.Error
	return errors.As(err, &e) && e.Code == code
}

// cut is a body whose connection is cut.
type cut struct{ io.Reader }

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// TestPartialUploadSurvivesCutsAndRestarts sends a content in pieces of odd sizes, with cut connections and restarts in
// between, and gets the same blob as an upload in one piece.
func TestPartialUploadSurvivesCutsAndRestarts(t *testing.T) {
	r := newRig(t)
	content := randomContent(pieces.MaxPiece+3*digest.BlockSize+77, 1)
	begun := r.begin(content)
	want := begun
	offset := 0
	for i, size := range []int{1, 100_000, 0, pieces.MaxPiece, 77, 1 << 20} {
		end := min(offset+size, len(content))
		body := io.Reader(strings.NewReader(content[offset:end]))
		if i%2 == 1 {
			body = cut{body}
		}
		if got := r.more(r.partial(begun.ID), offset, body); got != int64(end) {
			t.Fatalf("%d bytes at %d: now at %d", size, offset, got)
		}
		offset = end
		r.restart()
		want.Offset = int64(offset)
		if p := r.partial(begun.ID); p != want {
			t.Fatalf("after a restart: %+v, want %+v", p, want)
		}
	}
	if err := r.StorePartial(t.Context(), r.partial(begun.ID)); err != nil {
		t.Fatal(err)
	}
	want.Stored = true
	if p := r.partial(begun.ID); p != want {
		t.Errorf("stored: %+v", p)
	}
	if err := r.StorePartial(t.Context(), r.partial(begun.ID)); err != nil {
		t.Errorf("stored twice: %v", err)
	}
	if rec := r.get(downloadClaims(r, content)); rec.Code != 200 || rec.Body.String() != content {
		t.Errorf("download: %d", rec.Code)
	}
	if got := r.files(); slices.ContainsFunc(got, func(f string) bool {
		return strings.HasPrefix(f, pieces.Dir) && f != pieces.Path(begun.ID, pieces.Info)
	}) {
		t.Errorf("pieces are left: %v", got)
	}
	r.clock.Advance(2 * time.Hour)
	if _, err := r.Partial(t.Context(), begun.ID); !isCode(err, or3cloud.CodeNotFound) {
		t.Errorf("expired: %v", err)
	}
	r.begin("another")
	if got := r.files(); slices.Contains(got, pieces.Path(begun.ID, pieces.Info)) {
		t.Errorf("an expired copies.Record is left: %v", got)
	}
}

// TestPartialUploadOfOtherBytes: bytes with another hash do not become a blob.
func TestPartialUploadOfOtherBytes(t *testing.T) {
	r := newRig(t)
	p := r.begin("content")
	r.more(p, 0, strings.NewReader("c0ntent"))
	if err := r.StorePartial(t.Context(), r.partial(p.ID)); !isCode(err, or3cloud.CodeInvalid) {
		t.Errorf("%v", err)
	}
	if err := r.presignDownload("content"); !isCode(err, or3cloud.CodeNotFound) {
		t.Errorf("%v", err)
	}
	if err := r.DropPartial(t.Context(), p); err != nil {
		t.Error(err)
	}
	if got := r.files(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if _, err := r.Partial(t.Context(), p.ID); !isCode(err, or3cloud.CodeNotFound) {
		t.Errorf("%v", err)
	}
}

// TestPartialUploadTakesNoMoreThanItsSize: the rest of a body that is too long is not taken.
func TestPartialUploadTakesNoMoreThanItsSize(t *testing.T) {
	r := newRig(t)
	p := r.begin("content")
	if got := r.more(p, 0, strings.NewReader("content and more")); got != 7 {
		t.Errorf("now at %d", got)
	}
	if err := r.StorePartial(t.Context(), r.partial(p.ID)); err != nil {
		t.Error(err)
	}
	empty := r.begin("")
	if err := r.StorePartial(t.Context(), r.partial(empty.ID)); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// TestPartialUploadAndDiskFaults lets each disk operation fail once. What was acknowledged stays, and the upload can be
// resumed afterwards.
func TestPartialUploadAndDiskFaults(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
		for fails := 0; ; fails++ {
			r := newRig(t)
			r.disk.lazy = true
			p := r.begin("content")
			r.more(p, 0, strings.NewReader("con"))
			step, known := 0, r.partial(p.ID)
			r.disk.fault = func(op, name string) error {
				if !strings.HasPrefix(name, pieces.Dir) || op == "remove" {
					return nil
				}
				if step++; step == fails+1 {
					return fmt.Errorf("%s %s: %w", op, name, fault)
				}
				return nil
			}
			n, err := r.AppendPartial(t.Context(), known, 3, strings.NewReader("tent"))
			r.disk.fault = nil
			if step <= fails {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			code := or3cloud.CodeUnavailable
			if fault == syscall.ENOSPC {
				code = or3cloud.CodeInsufficientStorage
			}
			if err != nil && !isCode(err, code) {
				t.Errorf("%v at step %d: %v", fault, fails, err)
			}
			now := r.partial(p.ID).Offset
			if now < 3+n {
				t.Fatalf("%v at step %d: %d bytes were acknowledged, %d are there", fault, fails, 3+n, now)
			}
			r.more(p, int(now), strings.NewReader("content"[now:]))
			if err := r.StorePartial(t.Context(), r.partial(p.ID)); err != nil {
				t.Errorf("%v at step %d: afterwards: %v", fault, fails, err)
			}
		}
	}
}

// TestPartialUploadsAreBounded: uploads are refused when the disk is full, and to a user who begins too many.
func TestPartialUploadsAreBounded(t *testing.T) {
	r := newRig(t)
	r.disk.lazy = true
	in := or3cloud.PartialUpload{WorkspaceID: "ws", UserID: "u", Hash: hashOf("x"), SizeBytes: 1, ExpiresAt: r.clock.Now().Add(time.Hour)}
	for range pieces.MaxOpen {
		if _, err := r.BeginPartial(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.BeginPartial(t.Context(), in); !isCode(err, or3cloud.CodeRateLimited) {
		t.Errorf("%v", err)
	}
	in.UserID = "another"
	p, err := r.BeginPartial(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	r.isFull = true
	if _, err := r.BeginPartial(t.Context(), in); !isCode(err, or3cloud.CodeInsufficientStorage) {
		t.Errorf("%v", err)
	}
	if _, err := r.AppendPartial(t.Context(), p, 0, strings.NewReader("x")); !isCode(err, or3cloud.CodeInsufficientStorage) {
		t.Errorf("%v", err)
	}
	r.isFull = false
	for _, id := range []string{"", ".", "..", "../workspaces", strings.Repeat("g", layout.GenerationLength), strings.ToUpper(p.ID), p.ID + ".json"} {
		if _, err := r.Partial(t.Context(), id); id != p.ID && !isCode(err, or3cloud.CodeNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestPiecesWithAGapEndThere: pieces count only up to the first gap.
func TestPiecesWithAGapEndThere(t *testing.T) {
	r := newRig(t)
	p := r.begin("content")
	r.more(p, 0, strings.NewReader("con"))
	r.writeFile(pieces.PiecePath(p.ID, 5), "nt")
	r.writeFile(pieces.Path(p.ID, ".9x"), "?")
	r.writeFile(pieces.Path(p.ID, layout.TempMark+"ab"), "tent")
	if p := r.partial(p.ID); p.Offset != 3 {
		t.Errorf("%+v", p)
	}
	r.more(p, 3, strings.NewReader("te"))
	if p := r.partial(p.ID); p.Offset != 7 {
		t.Errorf("%+v", p)
	}
	if err := r.StorePartial(t.Context(), r.partial(p.ID)); err != nil {
		t.Error(err)
	}
	if got := r.files(); slices.ContainsFunc(got, func(f string) bool { return strings.Contains(f, layout.TempMark) }) {
		t.Errorf("left: %v", got)
	}
}

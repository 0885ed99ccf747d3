package clientmodel

import (
	"testing"
	"time"
)

// script is a Wire with fixed answers.
type script struct {
	presign, put, commit, get int
	content                   string
}

func (s script) PresignUpload(string) Signed           { return Signed{s.presign, "/u", "id"} }
func (s script) Put(string, string) Stored             { return Stored{Status: s.put} }
func (s script) Commit(string, string) int             { return s.commit }
func (s script) PresignDownload(string, string) Signed { return Signed{Status: s.presign, URL: "/d"} }
func (s script) Get(string) Received                   { return Received{s.get, s.content} }

func TestTransfers(t *testing.T) {
	for _, c := range []struct {
		name     string
		wire     script
		download bool
		// stored reports whether the downloaded file's row has a storage id.
		stored      bool
		base, later TransferState
		attempts    int
		deleted     bool // by the base client
	}{
		{name: "upload", wire: script{presign: 200, put: 200, commit: 200}, base: TransferDone, later: TransferDone},
		{name: "presign refused", wire: script{presign: 415}, base: TransferFailed, later: TransferFailed, attempts: 5},
		{name: "rate limited", wire: script{presign: 429}, base: TransferFailed, later: TransferFailed, attempts: 5},
		{name: "network gone", wire: script{presign: 200}, base: TransferFailed, later: TransferFailed, attempts: 5},
		{name: "too large", wire: script{presign: 200, put: 413}, base: TransferFailed, later: TransferFailed, attempts: 1},
		{name: "commit fails", wire: script{presign: 200, put: 200, commit: 404}, base: TransferFailed, later: TransferFailed, attempts: 5},
		{name: "download", wire: script{presign: 200, get: 200, content: "h"}, download: true, stored: true, base: TransferDone, later: TransferDone},
		{name: "wrong bytes", wire: script{presign: 200, get: 200, content: "x"}, download: true, stored: true, base: TransferFailed, later: TransferFailed, attempts: 5},
		{name: "download refused", wire: script{presign: 200, get: 503}, download: true, stored: true, base: TransferFailed, later: TransferFailed, attempts: 5},
		{name: "absent at presign", wire: script{presign: 404}, download: true, stored: true, base: TransferFailed, later: TransferFailed, attempts: 5},
		{name: "absent", wire: script{presign: 200, get: 404}, download: true, stored: true, base: TransferFailed, later: TransferParked, attempts: 1, deleted: true},
		{name: "gone", wire: script{presign: 200, get: 410}, download: true, stored: true, base: TransferFailed, later: TransferParked, attempts: 1, deleted: true},
		{name: "not uploaded yet", download: true, base: TransferFailed, later: TransferParked, attempts: 1, deleted: true},
	} {
		for _, later := range []bool{false, true} {
			var saved File
			q := NewTransfers(later, func(f File) { saved = f })
			if c.download {
				f := File{Hash: "h", Clock: 1}
				if c.stored {
					f.StorageID = "id"
				}
				q.Learn(f)
				q.Show("h")
			} else {
				q.Attach("h")
			}
			start := time.Unix(0, 0)
			now := start
			for {
				tried, next := q.Step(now, c.wire)
				if !tried && next.IsZero() {
					break
				}
				if !tried {
					now = next
				}
			}
			want := c.base
			if later {
				want = c.later
			}
			got := q.In(want)
			if len(got) != 1 || len(got[0].Failures) != c.attempts {
				t.Errorf("%s, later %v: %+v", c.name, later, q.queue[0])
			}
			if deleted := c.deleted && !later; saved.Deleted != deleted || (len(q.MarkedDeleted) > 0) != deleted {
				t.Errorf("%s, later %v: saved %+v", c.name, later, saved)
			}
			if took := now.Sub(start); later && c.attempts == 5 && took != 15*time.Second || !later && took != 0 {
				t.Errorf("%s, later %v: took %v", c.name, later, took)
			}
			if want == TransferDone && !q.Has("h") {
				t.Errorf("%s: the device has no bytes", c.name)
			}
		}
	}
}

func TestAttachedAgainIsNotUploadedAgain(t *testing.T) {
	var saved File
	q := NewTransfers(false, func(f File) { saved = f })
	q.Learn(File{Hash: "h", StorageID: "id", Deleted: true, Clock: 7})
	q.Learn(File{Hash: "h", Clock: 6})
	q.Attach("h")
	if tried, _ := q.Step(time.Unix(0, 0), script{}); tried || saved != (File{Hash: "h", StorageID: "id", Deleted: true, Clock: 8}) {
		t.Errorf("tried %v, saved %+v", tried, saved)
	}
}

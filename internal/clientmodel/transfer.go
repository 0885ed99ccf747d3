package clientmodel

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// transferAttempts is how often a transfer is tried before the client gives up (contract, storage §11).
const transferAttempts = 5

// File is a client's row of file_meta, as far as transfers read and write it.
type File struct {
	Hash      string
	StorageID string
	Deleted   bool
	Clock     int64
}

// Signed is the answer to a presign call. In all answers of a Wire, a status of 0 means that there was no answer.
type Signed struct {
	Status    int
	URL       string
	StorageID string
}

// Stored is the answer to the upload itself.
type Stored struct {
	Status    int
	StorageID string
}

// Received is the answer to a download, with the hash of the bytes that arrived.
type Received struct {
	Status int
	Hash   string
}

// Wire carries the requests of a client's transfers.
type Wire interface {
	PresignUpload(hash string) Signed
	Put(url, hash string) Stored
	Commit(hash, storageID string) (status int)
	PresignDownload(hash, storageID string) Signed
	Get(url string) Received
}

// TransferState is the state of a transfer.
type TransferState string

// The states of a transfer. Only the newest client has parked ones. It tries them again when the file is shown again.
const (
	TransferQueued TransferState = "queued"
	TransferDone   TransferState = "done"
	TransferFailed TransferState = "failed"
	TransferParked TransferState = "parked"
)

// Failure is a failed attempt: the call that ended it, and its status.
type Failure struct {
	Call   string
	Status int
}

// Transfer is one entry of a client's transfer queue.
type Transfer struct {
	Hash   string
	Upload bool
	State  TransferState
	// Failures are the failed attempts so far.
	Failures []Failure

	due time.Time
}

// Transfers models the transfer queue of one client, with its rows and blobs. The caller provides the time, and each
// call of Step makes one attempt.
type Transfers struct {
	// Later selects the newest client, which backs off between attempts and never takes a failed download for the end
	// of a file. The base client does neither (contract, storage Pitfalls 2 and 4).
	Later bool
	// Save is called for each row that the client writes, and that other devices therefore get.
	Save func(File)
	// MarkedDeleted are the hashes of the files that this client has deleted for every member after a failed download.
	MarkedDeleted []string

	rows  map[string]File
	blobs map[string]bool
	queue []*Transfer
}

// NewTransfers returns the queue of a new device.
func NewTransfers(later bool, save func(File)) *Transfers {
	return &Transfers{Later: later, Save: save, rows: map[string]File{}, blobs: map[string]bool{}}
}

// Learn takes a row that was pulled. It ignores a row older than the device's.
func (q *Transfers) Learn(f File) {
	if f.Clock >= q.rows[f.Hash].Clock {
		q.rows[f.Hash] = f
	}
}

// Files returns the rows, by hash.
func (q *Transfers) Files() map[string]File { return maps.Clone(q.rows) }

// Has reports whether the device has the bytes.
func (q *Transfers) Has(hash string) bool { return q.blobs[hash] }

// Attach is a user adding a file. The client never uploads bytes again if their row has a storage id.
func (q *Transfers) Attach(hash string) {
	q.blobs[hash] = true
	row := q.rows[hash]
	row.Hash = hash
	q.save(row)
	if row.StorageID == "" {
		q.enqueue(hash, true)
	}
}

// Show is a user looking at a file.
func (q *Transfers) Show(hash string) {
	if !q.blobs[hash] {
		q.enqueue(hash, false)
	}
}

// enqueue starts a transfer, or restarts one that has ended.
func (q *Transfers) enqueue(hash string, upload bool) {
	i := slices.IndexFunc(q.queue, func(t *Transfer) bool { return t.Hash == hash && t.Upload == upload })
	if i < 0 {
		q.queue = append(q.queue, &Transfer{Hash: hash, Upload: upload, State: TransferQueued})
	} else if q.queue[i].State != TransferQueued {
		*q.queue[i] = Transfer{Hash: hash, Upload: upload, State: TransferQueued}
	}
}

// In returns the transfers in a state.
func (q *Transfers) In(state TransferState) []Transfer {
	var out []Transfer
	for _, t := range q.queue {
		if t.State == state {
			out = append(out, *t)
		}
	}
	return out
}

// Step makes one attempt at the first transfer that is due. If none is, it returns false and the time when the next one
// will be, or the zero time if the queue is empty.
func (q *Transfers) Step(now time.Time, w Wire) (tried bool, next time.Time) {
	for _, t := range q.queue {
		if t.State != TransferQueued {
			continue
		}
		if !t.due.After(now) {
			if t.Upload {
				q.upload(now, t, w)
			} else {
				q.download(now, t, w)
			}
			return true, time.Time{}
		}
		if next.IsZero() || t.due.Before(next) {
			next = t.due
		}
	}
	return false, next
}

func (q *Transfers) upload(now time.Time, t *Transfer, w Wire) {
	p := w.PresignUpload(t.Hash)
	if !successful(p.Status) {
		q.fail(now, t, "presign-upload", p.Status)
		return
	}
	put := w.Put(p.URL, t.Hash)
	switch {
	case put.Status == http.StatusRequestEntityTooLarge:
		t.Failures = append(t.Failures, Failure{"put", put.Status})
		t.State = TransferFailed
		return
	case !successful(put.Status):
		q.fail(now, t, "put", put.Status)
		return
	}
	id := p.StorageID
	if id == "" {
		id = put.StorageID
	}
	if id == "" {
		q.fail(now, t, "no storage id", put.Status)
		return
	}
	if status := w.Commit(t.Hash, id); !successful(status) {
		q.fail(now, t, "commit", status)
		return
	}
	row := q.rows[t.Hash]
	row.StorageID = id
	q.save(row)
	t.State = TransferDone
}

func (q *Transfers) download(now time.Time, t *Transfer, w Wire) {
	row := q.rows[t.Hash]
	if row.StorageID == "" {
		q.missing(t, row, Failure{"no storage id", 0})
		return
	}
	p := w.PresignDownload(t.Hash, row.StorageID)
	if !successful(p.Status) {
		q.fail(now, t, "presign-download", p.Status)
		return
	}
	got := w.Get(p.URL)
	switch {
	case got.Status == http.StatusNotFound, got.Status == http.StatusGone:
		q.missing(t, row, Failure{"get", got.Status})
	case !successful(got.Status):
		q.fail(now, t, "get", got.Status)
	case got.Hash != t.Hash:
		q.fail(now, t, "wrong bytes", got.Status)
	default:
		q.blobs[t.Hash] = true
		t.State = TransferDone
	}
}

func successful(status int) bool { return status >= 200 && status < 300 }

// missing does what a client does about a file that it believes is gone.
func (q *Transfers) missing(t *Transfer, row File, why Failure) {
	t.Failures = append(t.Failures, why)
	if q.Later {
		t.State = TransferParked
		return
	}
	t.State = TransferFailed
	q.MarkedDeleted = append(q.MarkedDeleted, t.Hash)
	row.Deleted = true
	q.save(row)
}

// fail counts an attempt. The base client retries at once, the newest after 1, 2, 4 and 8 seconds.
func (q *Transfers) fail(now time.Time, t *Transfer, call string, status int) {
	t.Failures = append(t.Failures, Failure{call, status})
	if len(t.Failures) == transferAttempts {
		t.State = TransferFailed
		return
	}
	if q.Later {
		t.due = now.Add(time.Second << (len(t.Failures) - 1))
	}
}

// save writes a row as a new version.
func (q *Transfers) save(f File) {
	f.Clock++
	q.rows[f.Hash] = f
	q.Save(f)
}

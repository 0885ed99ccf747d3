package fs

import "time"

// Stored times were written by a clock that may have been ahead. One that lies in the future is not believed: what it gates
// would wait for that day. It is taken for now, and written down so, that it grows old from here on.

// clockTolerance is by how much a stored time may lie in the future.
const clockTolerance = time.Minute

// ahead reports whether a stored time lies in the future.
func ahead(stored, now time.Time) bool { return stored.Sub(now) > clockTolerance }

// maxPartialLife is longer than any upload in pieces may be gone on with.
const maxPartialLife = 48 * time.Hour

// settle takes the times of a record that lie in the future for now, and reports whether there were any.
func (r *record) settle(now time.Time) (changed bool) {
	for _, t := range []*time.Time{&r.UploadedAt, r.CommittedAt, r.TrashedAt, r.DeletedAt, r.DamagedAt} {
		if t != nil && ahead(*t, now) {
			*t, changed = now, true
		}
	}
	return changed
}

// settle takes the times of a pass that lie in the future for now. The caller holds the lock.
func (p *progress) settle(now time.Time) {
	for _, t := range []*time.Time{&p.PassStarted, &p.LastPass} {
		if ahead(*t, now) {
			*t = now
		}
	}
	for id, found := range p.Damaged {
		if ahead(found, now) {
			p.Damaged[id] = now
		}
	}
}

// settleTimes writes the record of a blob anew if it has times that lie in the future. The caller holds the lock.
func (c *collection) settleTimes(k blobKey, rec *record) error {
	if !rec.settle(c.now) {
		return nil
	}
	return c.writeRecord(k, *rec)
}

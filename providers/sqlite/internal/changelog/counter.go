package changelog

import (
	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// A workspace's counter must never fall: a device with a higher cursor would skip whatever the others write until the
// counter has passed it (contract, sync Pitfall 16). After an older copy was restored, counters continue above any
// version that may have been issued: above the time in milliseconds, which no honest use outruns, and above what the
// mark knew.

// CounterMargin is how far above both of them: more than is issued between two steps of the mark.
const CounterMargin = 1 << 20

// RaisedCounter returns where the counters of an older copy continue.
func RaisedCounter(now, high int64) int64 {
	return min(max(now, high), layout.MaxVersion>>1) + CounterMargin
}

// outran reports whether a device's cursor shows that the database is an older copy: it is above the counter, and not
// above what can have been issued. A workspace that was created in this run cannot be older than itself. A member who
// makes up a cursor raises the counter to there at most.
func (l *Log) outran(num, version, cursor int64) bool {
	return cursor > version && num <= l.e.Inherited() && cursor <= RaisedCounter(l.e.Now().UnixMilli(), l.e.DB.Mark.High())
}

// catchUp raises the counter of a workspace above the cursor of a device that is ahead of it.
func (l *Log) catchUp(t *engine.Tx, num, cursor int64) (version int64, err error) {
	found, err := engine.One(t.St.Counter, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, num)
	if err != nil || !found || !l.outran(num, version, cursor) {
		return version, err
	}
	version = RaisedCounter(t.At, l.e.DB.Mark.High())
	t.GaveOut(version)
	t.AfterCommit(func() {
		l.heads.raise(num, version, 0)
		l.older.Do(func() {
			l.e.Log.Warn("THE SYNC DATABASE IS AN OLDER COPY: a device has seen versions that are not in it. The counter of its workspace was raised, "+
				"so that devices receive what is written from now on", "workspace", num)
		})
	})
	return version, engine.Run(t.St.SetCounter, version, int64(0), num)
}

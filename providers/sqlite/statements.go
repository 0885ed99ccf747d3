package sqlite

import (
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/providers/sqlite/internal/db"
)

// writeStatements are the prepared statements of the write connection.
type writeStatements struct {
	statementList
	begin, commit, rollback, savepoint, rollbackTo, release *sqlite3.Stmt

	role, counter, setCounter, reserveOpID, opIDVersion, deleteOpID, record, insertRecord, updateRecord,
	insertEntry, entry, supersede, kvNameOwner, claimKVName, upsertFile, deleteFile,
	recordRefs, insertRef, deleteRef, deleteEntry, deleteSuperseded, anyRef, orphan, adopt, releaseHold,
	deviceCursor, insertCursor, advanceCursor, trimCursors, step,
	entryHead, insertWaypoint, deleteWaypoint, pin, liveRecordBetween, keepKVName, releaseKVName *sqlite3.Stmt
}

// prepare compiles all statements, so that a database that does not fit the program is noticed at start.
func (s *writeStatements) prepare(c *sqlite3.Conn) error {
	return s.add(c, []prepared{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		{&s.savepoint, "SAVEPOINT job"},
		{&s.rollbackTo, "ROLLBACK TO job"},
		{&s.release, "RELEASE job"},
		{&s.role, db.SQLRoleInWorkspace},
		{&s.counter, db.SQLCounter},
		{&s.setCounter, db.SQLSetCounter},
		{&s.reserveOpID, db.SQLReserveOpID},
		{&s.opIDVersion, db.SQLOpIDVersion},
		{&s.deleteOpID, db.SQLDeleteOpID},
		{&s.record, db.SQLRecord},
		{&s.insertRecord, db.SQLInsertRecord},
		{&s.updateRecord, db.SQLUpdateRecord},
		{&s.insertEntry, db.SQLInsertEntry},
		{&s.entry, db.SQLEntry},
		{&s.supersede, db.SQLSupersede},
		{&s.kvNameOwner, db.SQLKVNameOwner},
		{&s.claimKVName, db.SQLClaimKVName},
		{&s.upsertFile, db.SQLUpsertFile},
		{&s.deleteFile, db.SQLDeleteFile},
		{&s.recordRefs, db.SQLRecordRefs},
		{&s.insertRef, db.SQLInsertRef},
		{&s.deleteRef, db.SQLDeleteRef},
		{&s.anyRef, db.SQLAnyRef},
		{&s.deleteEntry, db.SQLDeleteEntry},
		{&s.deleteSuperseded, db.SQLDeleteSuperseded},
		{&s.orphan, db.SQLOrphan},
		{&s.adopt, db.SQLAdopt},
		{&s.deviceCursor, db.SQLDeviceCursor},
		{&s.insertCursor, db.SQLInsertCursor},
		{&s.advanceCursor, db.SQLAdvanceCursor},
		{&s.trimCursors, db.SQLTrimCursors},
		{&s.releaseHold, db.SQLReleaseHold},
		{&s.step, db.SQLStep},
		{&s.entryHead, db.SQLEntryHead},
		{&s.insertWaypoint, db.SQLInsertWaypoint},
		{&s.deleteWaypoint, db.SQLDeleteWaypoint},
		{&s.pin, db.SQLPin},
		{&s.liveRecordBetween, db.SQLLiveRecordBetween},
		{&s.keepKVName, db.SQLKeepKVName},
		{&s.releaseKVName, db.SQLReleaseKVName},
	})
}

// readStatements are the prepared statements of a read connection.
type readStatements struct {
	statementList
	begin, commit, counter, changes, recordsAfter, entry, entryHead, waypointAfter, record, kvNameOwner *sqlite3.Stmt
}

func (s *readStatements) prepare(c *sqlite3.Conn) error {
	return s.add(c, []prepared{
		{&s.begin, "BEGIN"},
		{&s.commit, "COMMIT"},
		{&s.counter, db.SQLCounter},
		{&s.changes, db.SQLChanges},
		{&s.recordsAfter, db.SQLRecordsAfter},
		{&s.entry, db.SQLEntry},
		{&s.entryHead, db.SQLEntryHead},
		{&s.waypointAfter, db.SQLWaypointAfter},
		{&s.record, db.SQLRecord},
		{&s.kvNameOwner, db.SQLKVNameOwner},
	})
}

// prepared pairs a statement with its text.
type prepared struct {
	stmt **sqlite3.Stmt
	sql  string
}

// statementList remembers statements in order to close them.
type statementList []*sqlite3.Stmt

func (l *statementList) add(c *sqlite3.Conn, list []prepared) error {
	for _, p := range list {
		st, _, err := c.PrepareFlags(p.sql, sqlite3.PREPARE_PERSISTENT)
		if err != nil {
			return err
		}
		*p.stmt = st
		*l = append(*l, st)
	}
	return nil
}

func (l statementList) close() {
	for _, st := range l {
		st.Close()
	}
}

// bind sets the parameters of a statement, in order. A nil []byte is NULL. Any other type than these four is a mistake of the
// program: it fails, because the parameter would otherwise keep the value of the execution before.
func bind(s *sqlite3.Stmt, args ...any) error {
	var errs []error
	for i, a := range args {
		var err error
		switch a := a.(type) {
		case int64:
			err = s.BindInt64(i+1, a)
		case float64:
			err = s.BindFloat(i+1, a)
		case string:
			err = s.BindText(i+1, a)
		case []byte:
			if a == nil {
				err = s.BindNull(i + 1)
			} else {
				err = s.BindBlob(i+1, a)
			}
		default:
			err = fmt.Errorf("parameter %d of %q: cannot bind a %T", i+1, s.SQL(), a)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// run executes a statement that returns no rows.
func run(s *sqlite3.Stmt, args ...any) error {
	if err := bind(s, args...); err != nil {
		return err
	}
	return s.Exec()
}

// one executes a statement that returns at most one row and calls scan for it. What scan reads by reference is valid
// only during the call.
func one(s *sqlite3.Stmt, scan func(*sqlite3.Stmt), args ...any) (found bool, err error) {
	if err := bind(s, args...); err != nil {
		return false, err
	}
	if found = s.Step(); found {
		scan(s)
	}
	return found, errors.Join(s.Err(), s.Reset())
}

package engine

import (
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// WriteStatements are the prepared statements that the writer runs with the driver's own API: those of each push. All
// others go through Tx.Q.
type WriteStatements struct {
	StatementList
	BlockStatements
	begin, commit, rollback, savepoint, rollbackTo, release *sqlite3.Stmt

	Role, Counter, SetCounter, IndexPiece, InsertIndexPiece, SetIndexGeneration,
	KVNameOwner, ClaimKVName, InsertFile, DeleteFile, File, AddUse,
	InsertRefs, DeleteRefs, Orphan, AnyIntent, ReleaseHold,
	DeviceCursor, InsertCursor, AdvanceCursor, TrimCursors, Step,
	InsertWaypoint, DeleteWaypoint, Pin, PinOf, InsertTombstone, DeleteTombstone, KeepKVName, ReleaseKVName,
	ChatHead, SetChatHead, ChatPlace, PlaceInChat, RemoveFromChat, ReviseChat, BeginChat,
	InsertBlock, ReplaceBlock, DeleteBlock, AddMarks, SetMarks, DeleteMarks *sqlite3.Stmt
}

// prepare compiles all statements, so that a database that does not fit the program is noticed at the start.
func (s *WriteStatements) prepare(c *sqlite3.Conn) error {
	return s.add(c, []prepared{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		{&s.savepoint, "SAVEPOINT job"},
		{&s.rollbackTo, "ROLLBACK TO job"},
		{&s.release, "RELEASE job"},
		{&s.Role, db.SQLRoleInWorkspace},
		{&s.Counter, db.SQLCounter},
		{&s.SetCounter, db.SQLSetCounter},
		{&s.IndexPiece, db.SQLIndexPiece},
		{&s.InsertIndexPiece, db.SQLInsertIndexPiece},
		{&s.SetIndexGeneration, db.SQLSetIndexGeneration},
		{&s.KVNameOwner, db.SQLKVNameOwner},
		{&s.ClaimKVName, db.SQLClaimKVName},
		{&s.InsertFile, db.SQLInsertFile},
		{&s.DeleteFile, db.SQLDeleteFile},
		{&s.File, db.SQLFile},
		{&s.AddUse, db.SQLAddUse},
		{&s.InsertRefs, db.SQLInsertRefs},
		{&s.DeleteRefs, db.SQLDeleteRefs},
		{&s.Orphan, db.SQLOrphan},
		{&s.DeviceCursor, db.SQLDeviceCursor},
		{&s.InsertCursor, db.SQLInsertCursor},
		{&s.AdvanceCursor, db.SQLAdvanceCursor},
		{&s.TrimCursors, db.SQLTrimCursors},
		{&s.AnyIntent, db.SQLAnyIntent},
		{&s.ReleaseHold, db.SQLReleaseHold},
		{&s.Step, db.SQLStep},
		{&s.InsertWaypoint, db.SQLInsertWaypoint},
		{&s.DeleteWaypoint, db.SQLDeleteWaypoint},
		{&s.Pin, db.SQLPin},
		{&s.PinOf, db.SQLPinOf},
		{&s.InsertTombstone, db.SQLInsertTombstone},
		{&s.DeleteTombstone, db.SQLDeleteTombstone},
		{&s.KeepKVName, db.SQLKeepKVName},
		{&s.ReleaseKVName, db.SQLReleaseKVName},
		{&s.ChatHead, db.SQLChatHead},
		{&s.SetChatHead, db.SQLSetChatHead},
		{&s.ChatPlace, db.SQLChatPlace},
		{&s.PlaceInChat, db.SQLPlaceInChat},
		{&s.RemoveFromChat, db.SQLRemoveFromChat},
		{&s.ReviseChat, db.SQLReviseChat},
		{&s.BeginChat, db.SQLBeginChat},
		{&s.BlockHeads, db.SQLBlockHeads},
		{&s.BlockText, db.SQLBlockText},
		{&s.BlocksFrom, db.SQLBlocksFrom},
		{&s.BlockAfter, db.SQLBlockAfter},
		{&s.Marks, db.SQLMarks},
		{&s.InsertBlock, db.SQLInsertBlock},
		{&s.ReplaceBlock, db.SQLReplaceBlock},
		{&s.DeleteBlock, db.SQLDeleteBlock},
		{&s.AddMarks, db.SQLAddMarks},
		{&s.SetMarks, db.SQLSetMarks},
		{&s.DeleteMarks, db.SQLDeleteMarks},
	})
}

// BlockStatements are the prepared statements with which both find the blocks of the log.
type BlockStatements struct{ BlockHeads, BlockText, BlocksFrom, BlockAfter, Marks *sqlite3.Stmt }

// ReadStatements are the prepared statements of a Reader.
type ReadStatements struct {
	StatementList
	BlockStatements
	begin, commit *sqlite3.Stmt

	Counter, IndexPiece, IndexGeneration, WaypointAfter, PinOf, KVNameOwner,
	Role, File, ChatHead, ChatRevision, ChatAfter, ChatBefore *sqlite3.Stmt
}

func (s *ReadStatements) prepare(c *sqlite3.Conn) error {
	return s.add(c, []prepared{
		{&s.begin, "BEGIN"},
		{&s.commit, "COMMIT"},
		{&s.Counter, db.SQLCounter},
		{&s.IndexPiece, db.SQLIndexPiece},
		{&s.IndexGeneration, db.SQLIndexGeneration},
		{&s.WaypointAfter, db.SQLWaypointAfter},
		{&s.PinOf, db.SQLPinOf},
		{&s.KVNameOwner, db.SQLKVNameOwner},
		{&s.Role, db.SQLRoleInWorkspace},
		{&s.File, db.SQLFile},
		{&s.ChatHead, db.SQLChatHead},
		{&s.ChatRevision, db.SQLChatRevision},
		{&s.ChatAfter, db.SQLChatAfter},
		{&s.ChatBefore, db.SQLChatBefore},
		{&s.BlockHeads, db.SQLBlockHeads},
		{&s.BlockText, db.SQLBlockText},
		{&s.BlocksFrom, db.SQLBlocksFrom},
		{&s.BlockAfter, db.SQLBlockAfter},
		{&s.Marks, db.SQLMarks},
	})
}

// prepared pairs a statement with its text.
type prepared struct {
	stmt **sqlite3.Stmt
	sql  string
}

// StatementList are all statements of a connection.
type StatementList []*sqlite3.Stmt

func (l *StatementList) add(c *sqlite3.Conn, list []prepared) error {
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

func (l StatementList) close() {
	for _, st := range l {
		st.Close()
	}
}

// Bind sets the parameters of a statement, in order. A nil []byte is NULL. Any other type than these four is a
// programming error: it fails, because the parameter would otherwise keep the value of the execution before.
func Bind(s *sqlite3.Stmt, args ...any) error {
	sqlitex.Used(s.Conn())
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

// execute executes a statement without parameters.
func execute(s *sqlite3.Stmt) error {
	sqlitex.Used(s.Conn())
	return s.Exec()
}

// Step goes to the next row of a statement whose parameters are bound, and reports whether there is one.
func Step(s *sqlite3.Stmt) bool {
	sqlitex.Used(s.Conn())
	return s.Step()
}

// Run executes a statement that returns no rows.
func Run(s *sqlite3.Stmt, args ...any) error {
	if err := Bind(s, args...); err != nil {
		return err
	}
	return s.Exec()
}

// One executes a statement that returns at most one row and calls scan for it. What scan reads by reference is valid
// only during the call.
func One(s *sqlite3.Stmt, scan func(*sqlite3.Stmt), args ...any) (found bool, err error) {
	if err := Bind(s, args...); err != nil {
		return false, err
	}
	if found = s.Step(); found {
		scan(s)
	}
	return found, errors.Join(s.Err(), s.Reset())
}

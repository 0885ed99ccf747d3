package changelog

import (
	"bytes"
	"errors"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// Which messages a thread has, and in which order, is kept beside the log, because a page of a thread is no range of it. Messages
// that are marked deleted keep their place. The revision of a thread is the version of the last op that has changed it or
// one of its messages: a row of chat_threads, which counts as an entry and stays, or the winner of the thread itself.

// place keeps the place of a message in step with its new winner.
func (p *push) place(op *preparedOp, state syncrule.State, existed bool) error {
	var before []byte // the thread that has the message
	if existed {
		if _, err := engine.One(p.St.ChatPlace, func(s *sqlite3.Stmt) { before = s.ColumnBlob(0, []byte{}) }, p.workspace, op.key); err != nil {
			return err
		}
	}
	if state.Fate() == syncrule.Deleted {
		if before == nil {
			return nil
		}
		return errors.Join(engine.Run(p.St.RemoveFromChat, p.workspace, op.key), p.revise(before))
	}
	err := errors.Join(
		engine.Run(p.St.PlaceInChat, p.workspace, op.key, op.thread, op.Facts.Message.Index, op.order),
		p.revise(op.thread))
	if err == nil && before != nil && !bytes.Equal(before, op.thread) {
		err = p.revise(before)
	}
	return err
}

// deleteChat notes that a thread is deleted: its winner may be collected.
func (p *push) deleteChat(op *preparedOp, state syncrule.State) error {
	if state.Fate() != syncrule.Deleted {
		return nil
	}
	return p.revise(op.thread)
}

// revise notes that a thread has changed with the present version.
func (p *push) revise(thread []byte) error {
	if err := engine.Run(p.St.ReviseChat, p.version, p.workspace, thread); err != nil || p.C.Changes() > 0 {
		return err
	}
	p.grown += EntryOverhead
	return engine.Run(p.St.BeginChat, p.workspace, thread, p.version)
}

// ChatRevision returns the version of the last op that has changed a thread or one of its messages; 0 if there was none.
func ChatRevision(r *engine.Reader, num int64, threadID string) (version int64, err error) {
	_, err = engine.One(r.St.ChatRevision, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, num, []byte(threadID))
	if err != nil {
		return 0, err
	}
	thread, _, err := winnerOf(r.St.Record, num, layout.TableNumber("threads"), layout.RecordKey(threadID, nil))
	return max(version, thread.Version), err
}

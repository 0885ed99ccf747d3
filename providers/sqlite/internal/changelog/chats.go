package changelog

import (
	"bytes"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// Which messages a thread has, and in which order, is kept beside the log, because a page of a thread is no range of it. Messages
// that are marked deleted keep their place. The revision of a thread is the version of the last stretch that has changed it or
// one of its messages: a row of chat_threads, which counts as an entry and stays, or the winner of the thread itself.

// place is where a message is.
type place struct {
	thread, order []byte
	index         float64
}

func (a *place) is(b *place) bool {
	return bytes.Equal(a.thread, b.thread) && bytes.Equal(a.order, b.order) && a.index == b.index
}

// place keeps the place of a message in step with its new winner.
func (p *push) place(op *preparedOp, state syncrule.State, existed bool) (err error) {
	var before place
	placed := false
	if existed {
		placed, err = engine.One(p.St.ChatPlace, func(s *sqlite3.Stmt) {
			before = place{s.ColumnBlob(0, nil), s.ColumnBlob(2, nil), s.ColumnFloat(1)}
		}, p.workspace, op.key)
		if err != nil {
			return err
		}
	}
	if placed {
		p.revise(before.thread)
	}
	if state.Fate() == syncrule.Deleted {
		if !placed {
			return nil
		}
		return engine.Run(p.St.RemoveFromChat, p.workspace, op.key)
	}
	now := place{op.thread, op.order, op.Facts.Message.Index}
	if placed && before.is(&now) {
		return nil
	}
	p.revise(now.thread)
	return engine.Run(p.St.PlaceInChat, p.workspace, op.key, now.thread, now.index, now.order)
}

// deleteChat notes that a thread is deleted: its winner may be collected.
func (p *push) deleteChat(op *preparedOp, state syncrule.State) {
	if state.Fate() == syncrule.Deleted {
		p.revise(op.thread)
	}
}

// revise notes that a thread has changed.
func (p *push) revise(thread []byte) {
	if p.revised == nil {
		p.revised = map[string]struct{}{}
	}
	p.revised[string(thread)] = struct{}{}
}

// reviseChats gives the threads that a stretch has changed its version, each once.
func (p *push) reviseChats() error {
	for thread := range p.revised {
		if err := engine.Run(p.St.ReviseChat, p.version, p.workspace, []byte(thread)); err != nil {
			return err
		}
		if p.C.Changes() > 0 {
			continue
		}
		p.grown += EntryOverhead
		if err := engine.Run(p.St.BeginChat, p.workspace, []byte(thread), p.version); err != nil {
			return err
		}
	}
	return nil
}

// ChatRevision returns a version that stands for what has last changed a thread or one of its messages; 0 if there was none.
func ChatRevision(r *engine.Reader, num int64, threadID string) (version int64, err error) {
	_, err = engine.One(r.St.ChatRevision, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, num, []byte(threadID))
	if err != nil {
		return 0, err
	}
	thread, _, err := winnerOf(r.St.Record, num, layout.TableNumber("threads"), layout.RecordKey(threadID, nil))
	return max(version, thread.Version), err
}

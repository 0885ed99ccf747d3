package changelog

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/bits"
	"slices"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// Which messages a thread has, and in which order, is stored beside the log, because a page of a thread is not a range
// of it. It is derived from the log when someone reads a chat on the server, which most workspaces never do: a push, of
// which each op would change two more pages at random, does without. Messages that are marked deleted keep their place.
// The revision of a thread is a version that stands for its last change or that of one of its messages: a row of
// chat_threads, which counts as an entry and stays, or the winner of the thread itself.

// A step of catching up looks at this many winners of the log, or at payloads of this many bytes.
const (
	placeStep  = 500
	placeBytes = 8 << 20
)

// moves are what a range of the log says about the places of messages.
type moves struct {
	from, to int64 // the versions that the range is between; it includes the second
	list     []move
}

// move is what a winner says.
type move struct {
	version int64
	key     []byte // of the message; nil if the winner deletes a thread
	place   place
	gone    bool // it no longer has a place
}

// place is where a message is.
type place struct {
	thread, order []byte
	index         float64
}

func (a *place) is(b *place) bool {
	return bytes.Equal(a.thread, b.thread) && bytes.Equal(a.order, b.order) && a.index == b.index
}

// CatchUpChats derives the places of messages from the current state of the workspace. What it has done stays when ctx
// ends.
func (l *Log) CatchUpChats(ctx context.Context, num int64) error {
	for {
		var m moves
		err := l.e.View(ctx, func(r *engine.Reader) (err error) {
			m, err = nextMoves(r, num)
			return err
		})
		if err != nil || m.from == m.to {
			return err
		}
		if err := l.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error { return m.apply(ctx, t, num) }); err != nil {
			return err
		}
	}
}

// ChatsAreBehind reports whether the log has something that the places of messages do not have.
func ChatsAreBehind(r *engine.Reader, num int64) (bool, error) {
	head, version, err := chatHead(r, num)
	return head < version, err
}

func chatHead(r *engine.Reader, num int64) (head, version int64, err error) {
	_, err = engine.One(r.St.ChatHead, func(s *sqlite3.Stmt) { head = s.ColumnInt64(0) }, num)
	if err == nil {
		version, _, err = counter(r, num)
	}
	return head, version, err
}

// nextMoves reads the next range. Its work is done outside the writer.
func nextMoves(r *engine.Reader, num int64) (m moves, err error) {
	if m.from, m.to, err = chatHead(r, num); err != nil || m.from == m.to {
		return m, err
	}
	// Rows for single users are in other tables.
	wanted := block.Wanted{After: m.from, Tables: layout.TableSet([]string{or3cloud.TableThreads, or3cloud.TableMessages})}
	blocks := entries.Of(r).After(num, m.from, m.to)
	defer blocks.Close()
	size, rows := 0, 0
	for blocks.Next() {
		mask, err := blocks.Visible(blocks.Marks, wanted)
		if err == nil && mask != 0 {
			err = blocks.Unpack(mask)
		}
		if err != nil {
			return m, err
		}
		for ; mask != 0; mask &= mask - 1 {
			var c or3cloud.Change
			e, err := blocks.Entry(bits.TrailingZeros64(mask))
			if err == nil {
				err = e.Change(&c)
			}
			if err != nil {
				return m, err
			}
			if rows, size = rows+1, size+len(c.Payload); rows == placeStep || size >= placeBytes {
				m.to = c.ServerVersion
			}
			if next, ok := moveOf(&c); ok {
				m.list = append(m.list, next)
			}
			if m.to == c.ServerVersion {
				return m, nil
			}
		}
	}
	return m, blocks.Close()
}

func moveOf(c *or3cloud.Change) (m move, ok bool) {
	m = move{version: c.ServerVersion, gone: c.Operation == or3cloud.OpDelete}
	if c.Table == or3cloud.TableThreads {
		m.place.thread = []byte(c.PK)
		return m, m.gone
	}
	m.key = layout.RecordKey(c.PK, nil)
	if !m.gone {
		thread, order, index, ok := syncschema.MessagePlace(c.Payload)
		m.place, m.gone = place{[]byte(thread), jsstring.SortKey(order), index}, !ok
	}
	return m, true
}

// apply puts messages in their places, unless another one has done it.
func (m *moves) apply(ctx context.Context, t *engine.Tx, num int64) error {
	var head int64
	_, err := engine.One(t.St.ChatHead, func(s *sqlite3.Stmt) { head = s.ColumnInt64(0) }, num)
	if err != nil || head != m.from {
		return err
	}
	revised := map[string]int64{}
	for i := range m.list {
		if err := m.list[i].apply(t, num, revised); err != nil {
			return err
		}
	}
	begun := int64(0)
	for _, thread := range slices.Sorted(maps.Keys(revised)) {
		if err := engine.Run(t.St.ReviseChat, revised[thread], num, []byte(thread)); err != nil {
			return err
		}
		if t.C.Changes() > 0 {
			continue
		}
		begun++
		if err := engine.Run(t.St.BeginChat, num, []byte(thread), revised[thread]); err != nil {
			return err
		}
	}
	return errors.Join(
		engine.Run(t.St.SetChatHead, num, m.to),
		sqlitex.Translate(t.Q.GiveBack(ctx, db.GiveBackParams{Bytes: -begun * EntryOverhead, Workspace: num})))
}

// apply notes in revised which threads it changes, and by which version.
func (m *move) apply(t *engine.Tx, num int64, revised map[string]int64) error {
	if m.key == nil {
		revised[string(m.place.thread)] = m.version
		return nil
	}
	var before place
	placed, err := engine.One(t.St.ChatPlace, func(s *sqlite3.Stmt) {
		before = place{s.ColumnBlob(0, nil), s.ColumnBlob(2, nil), s.ColumnFloat(1)}
	}, num, m.key)
	if err != nil {
		return err
	}
	if placed {
		revised[string(before.thread)] = m.version
	}
	switch {
	case m.gone && !placed:
		return nil
	case m.gone:
		return engine.Run(t.St.RemoveFromChat, num, m.key)
	case !placed || !before.is(&m.place):
		revised[string(m.place.thread)] = m.version
	}
	return engine.Run(t.St.PlaceInChat, num, m.key, m.place.thread, m.place.index, m.place.order, m.version)
}

// ChatRevision returns a version that stands for the last change of a thread or of one of its messages; 0 if there was
// none.
func ChatRevision(r *Reader, num int64, threadID string) (version int64, err error) {
	_, err = engine.One(r.St.ChatRevision, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, num, []byte(threadID))
	if err != nil {
		return 0, err
	}
	thread, _, err := of(r).winnerOf(num, layout.TableNumber(or3cloud.TableThreads), layout.RecordKey(threadID, nil))
	return max(version, thread.Version), err
}

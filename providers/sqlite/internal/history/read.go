package history

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strconv"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// How much of the projects of a workspace is searched for the one that has a thread: rows, and bytes of their payloads.
const (
	MaxProjects     = 1000
	MaxProjectBytes = 8 << 20
)

// ReadChatHistory implements or3cloud.ChatHistoryReader.
func (h *History) ReadChatHistory(ctx context.Context, q or3cloud.ChatQuery, emit func([]byte) error) (page or3cloud.ChatPage, err error) {
	from, err := syncrule.CheckChatQuery(&q)
	if err != nil {
		return page, err
	}
	if q.Kind != or3cloud.ChatMessages {
		if err := h.catchUp(ctx, q); err != nil {
			return page, err
		}
	}
	err = h.view(ctx, q.WorkspaceID, q.UserID, or3cloud.PermWorkspaceRead, func(r *changelog.Reader, num int64) error {
		c := chat{Reader: r, num: num, emit: emit}
		switch q.Kind {
		case or3cloud.ChatThread:
			err = c.thread(ctx, q.ThreadID)
		case or3cloud.ChatMessages:
			err = c.messages(ctx, q.MessageIDs)
		default:
			err = c.page(ctx, from, q.Limit)
		}
		page = c.out
		return err
	})
	return page, err
}

// catchUp brings the chats of a workspace up to date, for a user who may read it.
func (h *History) catchUp(ctx context.Context, q or3cloud.ChatQuery) error {
	var behind int64
	err := h.view(ctx, q.WorkspaceID, q.UserID, or3cloud.PermWorkspaceRead, func(r *changelog.Reader, num int64) error {
		yes, err := changelog.ChatsAreBehind(r.Reader, num)
		if yes {
			behind = num
		}
		return err
	})
	if err != nil || behind == 0 {
		return err
	}
	err = h.log.CatchUpChats(ctx, behind)
	h.noticed(q.WorkspaceID, err)
	return err
}

// chat is one answer about chats.
type chat struct {
	*changelog.Reader
	num  int64
	emit func([]byte) error
	out  or3cloud.ChatPage
	size int // of what was emitted, in bytes
}

// deliver hands a message on. One that clients cannot take, from before ops were checked, is left out.
func (c *chat) deliver(payload []byte) error {
	if syncschema.Unfit(payload) != "" {
		return nil
	}
	c.size += len(payload)
	return c.emit(payload)
}

func (c *chat) revision(threadID string) error {
	version, err := changelog.ChatRevision(c.Reader, c.num, threadID)
	if version > 0 {
		c.out.Revision = strconv.FormatInt(version, 10)
	}
	return err
}

func (c *chat) thread(ctx context.Context, id string) error {
	if err := c.revision(id); err != nil {
		return err
	}
	w, err := changelog.RecordOf(c.Reader, c.num, or3cloud.TableThreads, id)
	if err != nil || !w.Exists() || w.State.Fate() == syncrule.Deleted {
		return err
	}
	err = changelog.PayloadOf(c.Reader, c.num, w.Version, func(payload []byte, _ string) error {
		if syncschema.Unfit(payload) == "" {
			c.out.Thread = bytes.Clone(payload)
		}
		return nil
	})
	if err != nil || c.out.Thread == nil {
		return err
	}
	return c.owner(ctx, id)
}

// owner looks for the project of the thread: the one that it names, and those that list it. If there is more to search
// than an answer may read, ownership stays unknown.
func (c *chat) owner(ctx context.Context, threadID string) error {
	named := syncschema.ProjectID(c.out.Thread)
	owner, conflict := named, false
	read := 0
	projects := changelog.RecordsAfter(c.Reader, c.num, layout.TableNumber(or3cloud.TableProjects), nil, layout.TableNumber(or3cloud.TableProjects))
	for n := 0; projects.Next(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n == MaxProjects || read >= MaxProjectBytes {
			return nil
		}
		if syncrule.State(projects.State).Fate() != syncrule.Live {
			continue
		}
		id := layout.RecordPK(projects.Key)
		err := changelog.PayloadOf(c.Reader, c.num, projects.Version, func(payload []byte, _ string) error {
			read += len(payload)
			if id != owner && syncschema.ListsThread(payload, threadID) {
				conflict = conflict || owner != ""
				owner = id
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := projects.Err(); err != nil {
		return err
	}
	if conflict {
		c.out.ProjectOwnership = or3cloud.ProjectConflict
		return nil
	}
	c.out.ProjectOwnership = or3cloud.ProjectResolved
	if owner == named {
		return nil
	}
	thread, err := syncschema.WithProjectID(c.out.Thread, owner)
	c.out.Thread = thread
	return err
}

func (c *chat) messages(ctx context.Context, ids []string) error {
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		if err := ctx.Err(); err != nil {
			return err
		}
		w, err := changelog.RecordOf(c.Reader, c.num, or3cloud.TableMessages, id)
		if err != nil {
			return err
		}
		if !w.Exists() || w.State.Fate() == syncrule.Deleted {
			continue
		}
		if c.size >= or3cloud.ChatAnswerBytes {
			c.out.Incomplete = true
			return nil
		}
		err = changelog.PayloadOf(c.Reader, c.num, w.Version, func(payload []byte, _ string) error { return c.deliver(payload) })
		if err != nil {
			return err
		}
	}
	return nil
}

// page delivers the messages of a thread after a place. The payload of a row is read when the row is reached.
func (c *chat) page(ctx context.Context, from syncrule.ChatSeek, limit int) error {
	if err := c.revision(from.ThreadID); err != nil {
		return err
	}
	st, index := c.St.ChatAfter, from.Index
	if from.Backward {
		st = c.St.ChatBefore
	}
	if !from.Begun {
		index = math.Inf(-1)
		if from.Backward {
			index = math.Inf(1)
		}
	}
	if err := engine.Bind(st, c.num, []byte(from.ThreadID), index, jsstring.SortKey(from.OrderKey), jsstring.SortKey(from.ID)); err != nil {
		return err
	}
	defer st.Reset()
	log, last := entries.Of(c.Reader.Reader), from
	for engine.Step(st) {
		message, found, err := log.Entry(c.num, st.ColumnInt64(3))
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if c.out.Examined == limit || c.size >= or3cloud.AnswerBytes {
			c.out.NextCursor = last.Cursor()
			c.out.Incomplete = c.out.NextCursor == ""
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		last.Begun, last.Index = true, st.ColumnFloat(0)
		last.OrderKey, last.ID = jsstring.FromSortKey(st.ColumnBlob(1, nil)), jsstring.FromSortKey(st.ColumnBlob(2, nil))
		c.out.Examined++
		payload := message.Payload()
		if payload == nil {
			continue
		}
		if err := c.deliver(payload); err != nil {
			return err
		}
	}
	return errors.Join(st.Err(), st.Reset())
}

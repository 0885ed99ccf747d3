// Package inspect shows an operator the log of a workspace as it is stored.
package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Inspector implements or3cloud.LogReader.
type Inspector struct {
	e       *engine.Engine
	ws      *members.Workspaces
	noticed func(workspaceID string, err error)
}

// New returns the inspector of a database. noticed is called with the error of each look at a workspace, nil included.
func New(e *engine.Engine, ws *members.Workspaces, noticed func(workspaceID string, err error)) *Inspector {
	return &Inspector{e, ws, noticed}
}

// ReadLog implements or3cloud.LogReader.
func (i *Inspector) ReadLog(ctx context.Context, workspaceID string, from int64, limit int) (out []or3cloud.LogEntry, err error) {
	num, err := i.ws.Number(ctx, workspaceID)
	if err != nil || from > layout.MaxVersion {
		return nil, err
	}
	from = max(from, 1)
	err = i.e.View(ctx, func(r *engine.Reader) error {
		out = nil
		blocks := entries.Of(r).After(num, from-1, layout.MaxVersion)
		defer blocks.Close()
		for size := 0; blocks.Next(); {
			first, _, err := blocks.Find(from)
			if err == nil && first < blocks.Len() {
				err = blocks.Unpack(blocks.All() >> first << first)
			}
			if err != nil {
				return err
			}
			for n := first; n < blocks.Len(); n++ {
				if len(out) == limit || size >= or3cloud.AnswerBytes {
					return nil
				}
				e, err := shown(blocks, n)
				if err != nil {
					return err
				}
				out, size = append(out, e), size+len(e.Change)
			}
		}
		return blocks.Close()
	})
	i.noticed(workspaceID, err)
	return out, err
}

func shown(blocks *entries.Blocks, i int) (out or3cloud.LogEntry, err error) {
	e, err := blocks.Entry(i)
	if err != nil {
		return out, err
	}
	out = or3cloud.LogEntry{
		Version: e.Version, Mark: markOf(blocks.Marks, i, e.Lost), AcceptedAt: time.UnixMilli(e.At).UTC(), Replaced: e.Prev,
		OwnerID: layout.UnpackID(e.Owner), Place: fmt.Sprintf("row %d of the table blocks, entry %d of %d", blocks.ID, i+1, blocks.Len()),
	}
	switch text := e.Text(); {
	case text == nil:
	case json.Valid(text):
		out.Change = bytes.Clone(text)
	default: // from before ops were checked
		out.Change, err = json.Marshal(string(text))
	}
	return out, err
}

func markOf(m block.Marks, i int, lost bool) or3cloud.LogMark {
	switch bit := uint64(1) << i; {
	case m.Collected()&bit != 0:
		return or3cloud.LogCollected
	case lost:
		return or3cloud.LogLost
	case m.Pinned()&bit != 0:
		return or3cloud.LogPinned
	case m.Skip&bit != 0:
		return or3cloud.LogReplaced
	}
	return or3cloud.LogWinner
}

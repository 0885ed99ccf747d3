package changelog

import (
	"context"
	"math/bits"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Pull implements or3cloud.SyncGatewayAdapter.
func (l *Log) Pull(ctx context.Context, in or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
	return l.PullText(ctx, in, emit, nil)
}

// PullText implements or3cloud.TextPuller. If text is nil, it is Pull.
func (l *Log) PullText(ctx context.Context, in or3cloud.PullRequest, emit func(*or3cloud.Change) error, text func(json []byte, n int) error) (or3cloud.PullPage, error) {
	num, err := l.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return or3cloud.PullPage{}, err
	}
	version, horizon, err := l.head(ctx, num)
	if err != nil {
		return or3cloud.PullPage{}, err
	}
	if l.outran(num, version, in.Cursor) {
		err := l.e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
			if err := members.Permit(t, in.UserID, num, or3cloud.PermWorkspaceRead); err != nil {
				return err
			}
			_, err := l.catchUp(t, num, in.Cursor)
			return err
		})
		if err != nil {
			l.e.Log.Warn("the counter of a workspace could not be raised above the cursor of a device; its next pull tries again", "error", err)
		}
		return emptyPage(in.Cursor, 0, horizon), nil
	}
	if in.Cursor >= version {
		return emptyPage(in.Cursor, version, horizon), nil
	}
	var page or3cloud.PullPage
	err = l.e.View(ctx, func(r *engine.Reader) error {
		version, horizon, err := counter(r, num)
		if err != nil {
			return err
		}
		// A commit is visible here before its job ends. Polls that come after this one must not say less.
		l.heads.learn(num, version, horizon)
		p := pullPage{PullPage: emptyPage(in.Cursor, version, horizon), in: in, emit: emit, text: text, texts: l.texts}
		err = p.read(r, num, version)
		page = p.PullPage
		return err
	})
	l.opts.Noticed(in.Scope.WorkspaceID, err)
	return page, err
}

// emptyPage is the answer to a cursor when there is nothing to deliver. A cursor above the counter comes from before a
// restore: it is kept, never lowered (contract, sync Pitfall 16).
func emptyPage(cursor, version, horizon int64) or3cloud.PullPage {
	page := or3cloud.PullPage{NextCursor: max(version, cursor), RequiresSnapshot: cursor < horizon}
	if horizon > 0 {
		page.OldestRetainedVersion = horizon + 1
	}
	return page
}

func counter(r *engine.Reader, workspace int64) (version, horizon int64, err error) {
	_, err = engine.One(r.St.Counter, func(s *sqlite3.Stmt) { version, horizon = s.ColumnInt64(0), s.ColumnInt64(1) }, workspace)
	return version, horizon, err
}

// pullPage is a page while it is made.
type pullPage struct {
	or3cloud.PullPage
	in     or3cloud.PullRequest
	emit   func(*or3cloud.Change) error
	text   func(json []byte, n int) error // if nil, everything goes to emit
	texts  *entries.Cache
	change or3cloud.Change
	n      int // changes delivered so far
	size   int // their bytes
	last   int64
}

// read delivers what there is up to the counter. Blocks that have nothing for the user are read without their texts.
func (p *pullPage) read(r *engine.Reader, workspace, version int64) error {
	if p.in.Cursor >= version {
		return nil
	}
	wanted := block.Wanted{After: p.in.Cursor, Tables: layout.TableSet(p.in.Tables), User: layout.PackID(nil, p.in.UserID)}
	blocks := entries.Of(r).After(workspace, p.in.Cursor, version)
	blocks.Cache = p.texts
	defer blocks.Close()
	for blocks.Next() {
		mask, err := blocks.Visible(blocks.Marks, wanted)
		if err != nil {
			return err
		}
		more, err := p.deliver(blocks, mask)
		if err != nil {
			return err
		}
		if more {
			p.HasMore, p.NextCursor = true, p.last
			return nil
		}
	}
	return blocks.Close()
}

func (p *pullPage) full() bool { return p.n == p.in.Limit || p.size >= or3cloud.AnswerBytes }

// deliver delivers entries of a block, and reports whether there are more than fit into the page.
func (p *pullPage) deliver(b *entries.Blocks, mask uint64) (more bool, err error) {
	if mask == 0 || p.full() {
		return mask != 0, nil
	}
	if err := b.Unpack(firsts(mask, p.in.Limit-p.n)); err != nil {
		return false, err
	}
	texts := mask &^ b.Unchecked(mask)
	if p.text == nil {
		texts = 0
	}
	for mask != 0 {
		if p.full() {
			return true, nil
		}
		if i := bits.TrailingZeros64(mask); texts&(1<<i) == 0 {
			mask &= mask - 1
			err = p.one(b, i)
		} else {
			before := texts
			err = p.run(b, &texts)
			mask &^= before &^ texts
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// firsts returns the first bits of a mask, at most most of them.
func firsts(mask uint64, most int) uint64 {
	if bits.OnesCount64(mask) <= most {
		return mask
	}
	rest := mask
	for ; most > 0; most-- {
		rest &= rest - 1
	}
	return mask &^ rest
}

// one delivers an entry as a change.
func (p *pullPage) one(b *entries.Blocks, i int) error {
	e, err := b.Entry(i)
	if err == nil {
		err = e.Change(&p.change)
	}
	if err != nil {
		return err
	}
	p.n, p.size, p.last = p.n+1, p.size+b.Size(i)+1, e.Version
	return p.emit(&p.change)
}

// run delivers adjacent entries as one text.
func (p *pullPage) run(b *entries.Blocks, mask *uint64) error {
	text, n, last, err := b.Run(mask, p.in.Limit-p.n, or3cloud.AnswerBytes-p.size)
	if err != nil {
		return err
	}
	p.n, p.size, p.last = p.n+n, p.size+len(text)+1, last
	return p.text(text, n)
}

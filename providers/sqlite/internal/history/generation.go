package history

import (
	"bytes"
	"context"
	"errors"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/members"
	"or3.chat/cloud/syncrule"
)

// maxStale is how often a stage is judged again because its records have changed in the meantime.
const maxStale = 10

// plan is the outcome of judging a stage, outside the writer.
type plan struct {
	receipt or3cloud.GenerationReceipt
	// done says that there is nothing to write.
	done bool
	ops  changelog.Together
	// seen are the records that the plan depends on.
	seen []seen
}

type seen struct {
	table, pk string
	winner    syncrule.Record
}

// see returns the winner of a record, on which the plan then depends.
func (p *plan) see(r *changelog.Reader, num int64, table, pk string) (syncrule.Record, error) {
	w, err := changelog.RecordOf(r, num, table, pk)
	p.seen = append(p.seen, seen{table, pk, w})
	return w, err
}

// message returns the winner of the message of an answer.
func (p *plan) message(r *changelog.Reader, num int64, id string) (m syncrule.Message, err error) {
	if m.Record, err = p.see(r, num, or3cloud.TableMessages, id); err != nil || !m.Exists() {
		return m, err
	}
	return m, changelog.PayloadOf(r, num, m.Version, func(payload []byte, device string) error {
		m.Payload, m.Device = bytes.Clone(payload), device
		return nil
	})
}

// write performs a stage: judge looks at what is stored, and what it plans is written if none of that has changed.
func (h *History) write(
	ctx context.Context, g *or3cloud.ChatGeneration, judge func(r *changelog.Reader, num int64) (plan, error),
) (or3cloud.GenerationReceipt, error) {
	for range maxStale {
		var p plan
		var in int64
		err := h.view(ctx, g.WorkspaceID, g.UserID, or3cloud.PermWorkspaceWrite, func(r *changelog.Reader, num int64) (err error) {
			in = num
			p, err = judge(r, num)
			return err
		})
		if err == nil && p.done {
			return p.receipt, nil
		}
		if err == nil {
			err = h.e.CheckRoom()
		}
		if err != nil {
			return or3cloud.GenerationReceipt{}, err
		}
		var written or3cloud.GenerationReceipt
		err = h.e.Do(ctx, func(_ context.Context, t *engine.Tx) (err error) {
			if err := members.Permit(t, g.UserID, in, or3cloud.PermWorkspaceWrite); err != nil {
				return err
			}
			for _, s := range p.seen {
				if same, err := h.log.Unchanged(t, in, s.table, s.pk, s.winner); err != nil || !same {
					return errors.Join(err, changelog.ErrStale)
				}
			}
			written.ServerVersion, err = h.log.Apply(t, in, g.UserID, p.ops)
			return err
		})
		if errors.Is(err, changelog.ErrStale) {
			continue
		}
		if h.noticed(g.WorkspaceID, err); err != nil {
			return or3cloud.GenerationReceipt{}, err
		}
		return written, nil
	}
	return or3cloud.GenerationReceipt{}, engine.Unavailable(changelog.ErrStale)
}

// AdmitChatGeneration implements or3cloud.GenerationHistory.
func (h *History) AdmitChatGeneration(ctx context.Context, g or3cloud.ChatGeneration) (or3cloud.GenerationReceipt, error) {
	checked, err := syncrule.CheckGeneration(&g, h.e.Now())
	if err != nil {
		return or3cloud.GenerationReceipt{}, err
	}
	ops, err := h.log.Together(checked.Ops, g.UserID, checked.Fingerprints)
	if err != nil {
		return or3cloud.GenerationReceipt{}, err
	}
	return h.write(ctx, &g, func(r *changelog.Reader, num int64) (plan, error) {
		p := plan{ops: ops}
		if version, err := admitted(r, num, ops, len(checked.Ops)); err != nil || version > 0 {
			p.done, p.receipt = true, or3cloud.GenerationReceipt{Replayed: true, ServerVersion: version}
			return p, err
		}
		winners := make([]syncrule.Record, len(checked.Ops))
		for i := range checked.Ops {
			if winners[i], err = p.see(r, num, checked.Ops[i].Table, checked.Ops[i].PK); err != nil {
				return p, err
			}
		}
		thread, err := p.see(r, num, or3cloud.TableThreads, g.ThreadID)
		if err != nil {
			return p, err
		}
		message, err := p.message(r, num, g.MessageID)
		if err != nil {
			return p, err
		}
		return p, checked.Admit(winners, &thread, &message)
	})
}

// admitted returns the version under which the last op of an admission was written; 0 if it was not.
func admitted(r *changelog.Reader, num int64, ops changelog.Together, n int) (last int64, err error) {
	for i := range n {
		version, same, err := ops.Written(r, num, i)
		if err != nil {
			return 0, err
		}
		if version > 0 && !same {
			return 0, syncrule.ErrGenerationDiffers
		}
		last = version
	}
	return last, nil
}

// FinalizeChatGeneration implements or3cloud.GenerationHistory.
func (h *History) FinalizeChatGeneration(
	ctx context.Context, g or3cloud.ChatGeneration, s or3cloud.GenerationSnapshot,
) (or3cloud.GenerationReceipt, error) {
	checked, err := syncrule.CheckGeneration(&g, h.e.Now())
	if err == nil {
		err = syncrule.CheckSnapshot(&s)
	}
	if err != nil {
		return or3cloud.GenerationReceipt{}, err
	}
	return h.write(ctx, &g, func(r *changelog.Reader, num int64) (plan, error) {
		var p plan
		version, table, pk, err := changelog.Written(r, num, checked.FinalID())
		if err == nil && version > 0 && (table != or3cloud.TableMessages || pk != g.MessageID) {
			err = syncrule.ErrGenerationDiffers
		}
		if err != nil || version > 0 {
			p.done, p.receipt = true, or3cloud.GenerationReceipt{Replayed: true, ServerVersion: version}
			return p, err
		}
		message, err := p.message(r, num, g.MessageID)
		if err != nil {
			return p, err
		}
		if why := checked.Superseded(&message); why != "" {
			p.done, p.receipt.Superseded = true, why
			return p, nil
		}
		op, err := checked.Finish(&s, &message, h.e.Now())
		if err != nil {
			return p, err
		}
		p.ops, err = h.log.Together([]or3cloud.Op{op}, g.UserID, nil)
		return p, err
	})
}

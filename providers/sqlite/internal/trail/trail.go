// Package trail keeps the trail of what administrators have done to the instance, and of what was refused: a row each,
// of which each kind has so many.
package trail

import (
	"context"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Trail implements audit.Store.
type Trail struct{ e *engine.Engine }

// New returns the trail of a database.
func New(e *engine.Engine) *Trail { return &Trail{e} }

var actors = []audit.ActorKind{
	audit.ActorSuperAdmin, audit.ActorDeploymentAdmin, audit.ActorUser, audit.ActorAnonymous, audit.ActorOperator,
}

// action is what the name of one looks like. No request chooses it, so there are as many as the program knows.
var action = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`)

// AppendAudit implements audit.Store. On a full disk refusals are not kept; what was done is, so that an operator can
// make room.
func (a *Trail) AppendAudit(ctx context.Context, entries ...audit.Entry) error {
	rows := make([]db.AppendAuditParams, len(entries))
	for i, e := range entries {
		var err error
		if rows[i], err = row(e); err != nil {
			return err
		}
	}
	if a.e.CheckRoom() != nil {
		rows = slices.DeleteFunc(rows, func(r db.AppendAuditParams) bool { return r.Refusal != "" })
	}
	if len(rows) == 0 {
		return nil
	}
	return a.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		grown := map[db.TrimAuditKindParams]bool{}
		for _, r := range rows {
			if err := t.Q.AppendAudit(ctx, r); err != nil {
				return err
			}
			keep := int64(audit.DoneOfAKind)
			if r.Refusal != "" {
				keep = audit.RefusedOfAKind
			}
			grown[db.TrimAuditKindParams{ActorKind: r.ActorKind, Action: r.Action, Refusal: r.Refusal, Keep: keep}] = true
		}
		for kind := range grown {
			if err := t.Q.TrimAuditKind(ctx, kind); err != nil {
				return err
			}
		}
		return t.Q.ExpireAudit(ctx, t.At-audit.Retention.Milliseconds())
	})
}

// row returns an entry as it is stored.
func row(e audit.Entry) (r db.AppendAuditParams, err error) {
	if !slices.Contains(actors, e.Actor.Kind) || len(e.Action) > audit.MaxText || !action.MatchString(string(e.Action)) {
		return r, or3cloud.Errorf(or3cloud.CodeInvalid, "%q by %q is not an entry of an audit trail", e.Action, e.Actor.Kind)
	}
	names := make([]string, min(len(e.Target.Settings), audit.MaxSettings))
	for i := range names {
		names[i] = cut(e.Target.Settings[i])
	}
	settings, err := json.Marshal(names)
	return db.AppendAuditParams{
		At: e.At.UnixMilli(), ActorKind: string(e.Actor.Kind), ActorID: cut(e.Actor.ID), ActorName: cut(e.Actor.Name), Action: string(e.Action),
		Refusal: cut(string(e.Refusal)), WorkspaceID: cut(e.Target.WorkspaceID), UserID: cut(e.Target.UserID), Settings: string(settings),
		Object: cut(e.Target.Object), Address: cut(e.Address), RequestID: cut(e.RequestID), Times: int64(max(e.Times, 1)),
	}, err
}

// cut returns a text as it is stored: whole characters, none of which a terminal obeys.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text[:min(len(text), 2*audit.MaxText)])
	return strings.ToValidUTF8(text[:min(len(text), audit.MaxText)], "")
}

// mostLooked is how many entries one question looks at, so that none takes long that finds little.
const mostLooked = 20_000

// ListAudit implements audit.Store. A cursor is the number of the last entry.
func (a *Trail) ListAudit(ctx context.Context, in audit.Query) (page audit.Page, err error) {
	before := int64(math.MaxInt64)
	if in.Cursor != "" {
		if before, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil || before < 1 {
			return page, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid cursor")
		}
	}
	if in.Outcome != audit.Any && in.Outcome != audit.Done && in.Outcome != audit.Refused {
		return page, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid outcome")
	}
	limit := audit.PageSize
	if in.Limit > 0 {
		limit = min(in.Limit, limit)
	}
	lowest, err := a.e.Q.AuditStretch(ctx, db.AuditStretchParams{Before: before, Most: mostLooked})
	if err != nil {
		return page, sqlitex.Translate(err)
	}
	rows, err := a.e.Q.ListAudit(ctx, db.ListAuditParams{
		Before: before, Lowest: lowest, Actor: in.Actor, Action: strings.TrimSuffix(in.Action, "."), WorkspaceID: in.WorkspaceID, Outcome: string(in.Outcome),
		Since: milliseconds(in.Since), Until: milliseconds(in.Until), Max: int64(limit) + 1,
	})
	if err != nil {
		return page, sqlitex.Translate(err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		page.Next = strconv.FormatInt(rows[limit-1].Num, 10)
	} else if lowest > 0 {
		page.Next = strconv.FormatInt(lowest, 10)
	}
	page.Entries = make([]audit.Entry, len(rows))
	for i, r := range rows {
		e := audit.Entry{
			At:     time.UnixMilli(r.At),
			Actor:  audit.Actor{Kind: audit.ActorKind(r.ActorKind), ID: r.ActorID, Name: r.ActorName},
			Action: audit.Action(r.Action), Refusal: or3cloud.Code(r.Refusal), Address: r.Address, RequestID: r.RequestID,
			Target: audit.Target{WorkspaceID: r.WorkspaceID, UserID: r.UserID, Object: r.Object},
		}
		if err := json.Unmarshal([]byte(r.Settings), &e.Target.Settings); err != nil {
			return page, err
		}
		if r.Times > 1 {
			e.Times = int(r.Times)
		}
		page.Entries[i] = e
	}
	return page, nil
}

// milliseconds returns a time as it is stored, 0 for none. One before 1970 is the first moment after it.
func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 1)
}

package jobs

import (
	"context"
	"crypto/subtle"
	"encoding/json"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// unanswered is the error of a job whose browser has not sent the result of a tool.
const unanswered = "The browser has not sent the result of a tool in time"

var errCall = or3cloud.Errorf(or3cloud.CodeInvalid, "The call of a tool needs a name, and its caller a device and a token")

// handoffs implements jobs.Handoffs.
type handoffs struct{ e *engine.Engine }

// HandOff implements jobs.Handoffs.
func (j *handoffs) HandOff(ctx context.Context, id, owner string, h jobs.Handoff) (bool, error) {
	if h.CallID == "" || h.Device == "" {
		return false, errCall
	}
	if err := within(h.CallID, h.Device); err != nil {
		return false, err
	}
	parts, err := documents(h.ToolCalls, nil, nil)
	if err == nil {
		err = j.e.CheckRoom()
	}
	if err != nil {
		return false, err
	}
	return asOwner(ctx, j.e, id, owner, func(ctx context.Context, t *engine.Tx, r row) error {
		r.LeaseUntil = 0
		if err := t.Q.HandJobOff(ctx, db.HandJobOffParams{Call: h.CallID, Device: h.Device, DueAt: r.due(t.At), Num: r.Num}); err != nil {
			return err
		}
		return keepParts(ctx, t.Q, r.Num, parts)
	})
}

// has reports whether a token holds a call of a user's job.
func (r row) has(userID, callID, token string, now int64) bool {
	return r.open() && r.of(userID) && r.CallID == callID && r.CallUntil > now &&
		subtle.ConstantTimeCompare([]byte(r.CallToken), []byte(token)) == 1
}

// checkCall refuses what does not name a call.
func checkCall(callID, token string) error {
	if callID == "" || token == "" {
		return errCall
	}
	return within(callID, token)
}

// ClaimClientToolCall implements jobs.Handoffs.
func (j *handoffs) ClaimClientToolCall(ctx context.Context, id, userID string, c jobs.ToolClaim) (out *jobs.Claimed, err error) {
	if err := checkCall(c.CallID, c.Token); err != nil {
		return nil, err
	}
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		out = nil
		r, err := find(ctx, t.Q, id)
		switch {
		case or3cloud.CodeOf(err) == or3cloud.CodeNotFound:
			return nil
		case err != nil || !r.open() || !r.of(userID) || r.CallID != c.CallID || r.CallDevice != c.Device || r.CallUntil > t.At:
			return err
		}
		// A claim does not make the wait longer: a browser that claims again and again sends no result.
		r.CallToken, r.CallUntil = c.Token, t.At+span(c.For, jobs.DefaultLease, jobs.LongestLease)
		if err := t.Q.ClaimCall(ctx, db.ClaimCallParams{Token: r.CallToken, Until: r.CallUntil, Num: r.Num}); err != nil {
			return err
		}
		out, err = claimed(ctx, t, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// HoldsClientToolCall implements jobs.Handoffs.
func (j *handoffs) HoldsClientToolCall(ctx context.Context, id, userID, callID, token string) (bool, error) {
	if err := checkCall(callID, token); err != nil {
		return false, err
	}
	r, err := find(ctx, j.e.Q, id)
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return false, nil
	}
	return err == nil && r.has(userID, callID, token, j.e.Now().UnixMilli()), err
}

// SettleClientToolCall implements jobs.Handoffs.
func (j *handoffs) SettleClientToolCall(ctx context.Context, id, userID, callID, token string, toolCalls []byte) (done bool, err error) {
	if err := checkCall(callID, token); err != nil {
		return false, err
	}
	if !json.Valid(toolCalls) { // there has to be a result
		return false, errCall
	}
	parts, err := documents(toolCalls, nil, nil)
	if err == nil {
		err = j.e.CheckRoom()
	}
	if err != nil {
		return false, err
	}
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		done = false
		r, err := find(ctx, t.Q, id)
		switch {
		case or3cloud.CodeOf(err) == or3cloud.CodeNotFound:
			return nil
		case err != nil || !r.has(userID, callID, token, t.At):
			return err
		}
		done = true
		if err := t.Q.SettleCall(ctx, db.SettleCallParams{DueAt: r.due(t.At), Num: r.Num}); err != nil {
			return err
		}
		return keepParts(ctx, t.Q, r.Num, parts)
	})
	return done && err == nil, err
}

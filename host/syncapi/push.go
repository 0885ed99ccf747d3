package syncapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/syncwire"
)

// faultPause is how long a client stays away after an error of ours.
const faultPause = 5 * time.Second

// stretch is approximately how much of a push a store holds a second time at once, in the form in which it keeps ops.
const stretch = 4 << 20

// push answers errors of ours only with 503: older clients keep the edits of a batch on that and drop them after four
// answers of most other kinds, and five such answers open their circuit breaker (contract, client-behaviour §3). The
// log has the cause.
func (a *API) push(w http.ResponseWriter, r *http.Request) error {
	err := a.tryPush(w, r)
	switch or3cloud.CodeOf(err) {
	case or3cloud.CodeInternal, or3cloud.CodeInsufficientStorage:
		return or3cloud.Unavailable(err, "Service Unavailable", faultPause)
	}
	return err
}

func (a *API) tryPush(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoCache(w)
	tab := &httpapi.RecordOf(r).Memory
	text, err := httpapi.ReadBody(r)
	if err != nil {
		return httpapi.BodyError(r, err, invalidPush)
	}
	in, err := syncwire.DecodePush(text)
	switch {
	case errors.Is(err, syncwire.ErrEnvelope):
		return invalid(invalidPush)
	case err != nil:
		return httpapi.BodyError(r, err, invalidPush)
	}
	userID, err := a.admit(w, r, or3cloud.PermWorkspaceWrite, in.Scope, ratelimit.SyncPush)
	if err != nil {
		return err
	}
	if err := waitFor(r.Context(), tab, min(int64(len(text)), stretch)); err != nil {
		return err
	}
	body := tab.Held()
	// The answer has its first piece before anything is written, since there is no way back after it.
	out, err := newAnswer(r.Context(), tab, syncwire.PushBegin)
	if err != nil {
		return err
	}
	defer out.free()
	result, err := a.apply(r.Context(), userID, in)
	if err != nil {
		return err
	}
	a.opt.Limits.Record(ratelimit.SyncPush, userID)
	var left unfit
	left.leaveOut(result.Results)
	left.report(r)
	in, text = syncwire.Push{}, nil
	tab.Shrink(body) // A client that is slow to read the answer does not hold what it has sent.
	out.encodePush(result)
	out.send(w)
	return nil
}

// admit asks can() for the addressed workspace and then looks at the budget.
func (a *API) admit(w http.ResponseWriter, r *http.Request, p or3cloud.Permission, s syncwire.Scope, op ratelimit.Operation) (userID string, err error) {
	session, err := a.opt.Host.Authorize(r, p, s.WorkspaceID)
	if err != nil {
		return "", err
	}
	return session.User.ID, a.opt.Limits.CheckWithHeaders(w, op, session.User.ID)
}

// apply passes the valid ops to the adapter in one call and puts its results and the refusals back into the order of
// the request. It moves the valid ops to the front of in.Ops.
func (a *API) apply(ctx context.Context, userID string, in syncwire.Push) (or3cloud.PushResult, error) {
	out := or3cloud.PushResult{Results: make([]or3cloud.OpResult, len(in.Ops))}
	valid, places := in.Judge(out.Results)
	a.Refused.Add(len(in.Ops) - len(valid))
	if len(valid) == 0 {
		return out, nil
	}
	done, err := a.opt.Adapter.Push(ctx, or3cloud.PushRequest{
		Scope: in.Scope.Scope(), UserID: userID, WorkspaceItems: in.WorkspaceItems, Ops: valid,
	})
	if err != nil {
		return or3cloud.PushResult{}, err
	}
	if len(done.Results) != len(valid) {
		// A missing result is retried and a surplus one is refused by clients; both would look like their own error.
		return or3cloud.PushResult{}, errors.New("the sync adapter did not answer with one result per op")
	}
	a.Pushed.Add(len(valid))
	for i, place := range places {
		out.Results[place] = done.Results[i]
	}
	out.ServerVersion = done.ServerVersion
	return out, nil
}

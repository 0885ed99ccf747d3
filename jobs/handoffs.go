package jobs

import (
	"context"
	"time"
)

// Handoff is a call of a tool that only one browser of a job's user has.
type Handoff struct {
	// CallID names the call within the job, and Device the browser; up to MaxName bytes each.
	CallID, Device string
	// ToolCalls replaces what was there; nil if it stays.
	ToolCalls []byte
}

// ToolClaim is how a browser takes a call upon itself.
type ToolClaim struct {
	CallID, Device string
	// Token has the call from then on, for a time, and no other. For is LongestLease at most.
	Token string
	For   time.Duration
}

// Handoffs is the ability of a Store to let a browser of a job's user call a tool (contract, client-behaviour §15). A job that waits for a
// browser has no worker, and has failed when it has waited for its Timeout.
type Handoffs interface {
	// HandOff takes a job from the worker that owns its lease: no worker gets it until the result of the call has come. It reports whether
	// the owner has the lease, and the job is open.
	HandOff(ctx context.Context, id, owner string, h Handoff) (bool, error)
	// ClaimClientToolCall gives the call that a job of a user waits for to a browser. It returns nil if the job does not wait for the call
	// of this browser, or another token has it.
	ClaimClientToolCall(ctx context.Context, id, userID string, c ToolClaim) (*Claimed, error)
	// HoldsClientToolCall reports whether token has the call.
	HoldsClientToolCall(ctx context.Context, id, userID, callID, token string) (bool, error)
	// SettleClientToolCall ends the wait with what the call has brought, which is in toolCalls, and reports whether token has the call. The
	// next worker goes on where the last one has stopped: it is no other attempt, and the texts stay (Claimed.Resumed).
	SettleClientToolCall(ctx context.Context, id, userID, callID, token string, toolCalls []byte) (bool, error)
}

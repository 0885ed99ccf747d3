package jobs

import (
	"context"
	"time"
)

// Handoff is a call of a tool that only one browser of the job's user has.
type Handoff struct {
	// CallID identifies the call within the job, and Device the browser. Each has up to MaxName bytes.
	CallID, Device string
	// ToolCalls replaces the job's tool calls. nil leaves them as they are.
	ToolCalls []byte
}

// ToolClaim is a browser's claim of a tool call.
type ToolClaim struct {
	CallID, Device string
	// Token owns the call exclusively for a time. For is LongestLease at most.
	Token string
	For   time.Duration
}

// Handoffs is the ability of a Store to let a browser of a job's user run a tool (contract, client-behaviour §15). A
// job that waits for a browser has no worker, and fails after waiting for its Timeout.
type Handoffs interface {
	// HandOff takes a job from the worker that holds its lease. No worker gets it until the result of the call has
	// arrived. It reports whether the owner holds the lease and the job is open.
	HandOff(ctx context.Context, id, owner string, h Handoff) (bool, error)
	// ClaimClientToolCall gives a browser the call that a user's job waits for. It returns nil if the job does not wait
	// for a call by this browser, or if another token has it.
	ClaimClientToolCall(ctx context.Context, id, userID string, c ToolClaim) (*Claimed, error)
	// HoldsClientToolCall reports whether token holds the call.
	HoldsClientToolCall(ctx context.Context, id, userID, callID, token string) (bool, error)
	// SettleClientToolCall ends the wait with the result of the call, which is in toolCalls, and reports whether token
	// holds the call. The next worker continues where the last one stopped: it is not a new attempt, and the texts stay
	// (Claimed.Resumed).
	SettleClientToolCall(ctx context.Context, id, userID, callID, token string, toolCalls []byte) (bool, error)
}

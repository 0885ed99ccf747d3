package answers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/jobs"
)

// claimFor is how long a browser holds a call (contract, client-behaviour §15).
const claimFor = 30 * time.Second

// ToolClaim is a call that a browser has claimed. Its digest covers everything about the call, so that the browser can
// tell whether it makes the one that its user has seen.
type ToolClaim struct {
	Token, Digest                    string
	Until                            time.Time
	CallID, Name, Arguments          string
	Definition                       []byte
	WorkspaceID, ThreadID, MessageID string
}

// ClaimTool gives the call that a job waits for to a browser; nil if it waits for none of that browser, or another tab
// has it.
func (e *Engine) ClaimTool(ctx context.Context, id, userID, callID, device string) (*ToolClaim, error) {
	random, err := e.uuid()
	if err != nil {
		return nil, err
	}
	until := e.opt.Now().Add(claimFor)
	job, err := e.opt.Store.ClaimClientToolCall(ctx, id, userID, jobs.ToolClaim{CallID: callID, Device: device, Token: random, For: claimFor})
	if err != nil || job == nil {
		return nil, err
	}
	x, err := e.open(job)
	if err != nil { // the key has changed, and the answer cannot continue
		e.opt.Log.Warn("a browser cannot call a tool of a background answer", "job", id, "error", err)
		return nil, nil
	}
	call := readRecords(job.ToolCalls).find(callID)
	if call == nil {
		return nil, nil
	}
	out := &ToolClaim{
		Until: until, CallID: callID, Name: call.Name, Arguments: call.Args, Definition: x.request.Definition(call.Name),
		WorkspaceID: job.WorkspaceID, ThreadID: job.ThreadID, MessageID: job.MessageID,
	}
	if out.Definition == nil {
		return nil, nil
	}
	if out.Digest, err = digest(job, call, out.Definition); err != nil {
		return nil, err
	}
	out.Token = "or3ct1." + out.Digest + "." + random
	return out, nil
}

// random returns the part of a token that the store knows; "" if it is not a token.
func random(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] != "or3ct1" || len(parts[1]) != hex.EncodedLen(sha256.Size) {
		return ""
	}
	return parts[2]
}

// HoldsTool reports whether a token holds a call.
func (e *Engine) HoldsTool(ctx context.Context, id, userID, callID, token string) (bool, error) {
	known := random(token)
	if known == "" {
		return false, nil
	}
	return e.opt.Store.HoldsClientToolCall(ctx, id, userID, callID, known)
}

// SettleTool stores the result of a call in the browser, or its error, and reports whether the token holds the call.
func (e *Engine) SettleTool(ctx context.Context, id, userID, callID, token, result, fault string) (bool, error) {
	known := random(token)
	if known == "" {
		return false, nil
	}
	held, err := e.opt.Store.HoldsClientToolCall(ctx, id, userID, callID, known)
	if err != nil || !held {
		return false, err
	}
	job, err := e.opt.Store.GetJob(ctx, id, userID, jobs.Place{})
	if err != nil {
		return false, err
	}
	calls := readRecords(job.ToolCalls)
	call := calls.find(callID)
	if call == nil {
		return false, nil
	}
	call.settle(fit(result, calls.room(len(job.Content.Text)+len(job.Reasoning.Text))), fault)
	done, err := e.opt.Store.SettleClientToolCall(ctx, id, userID, callID, known, calls.json())
	if err != nil || !done {
		return false, err
	}
	e.readers.tell(id)
	e.claims.Wake()
	return true, nil
}

// uuid returns a random UUID (RFC 9562, version 4).
func (e *Engine) uuid() (string, error) {
	var id [16]byte
	if _, err := io.ReadFull(e.opt.Rand, id[:]); err != nil {
		return "", fmt.Errorf("make a token for a tool: %w", err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]), nil
}

// digest is the SHA-256 of the canonical JSON of a call and its context, as clients make it.
func digest(job *jobs.Claimed, call *record, definition []byte) (string, error) {
	var tool any
	if err := json.Unmarshal(definition, &tool); err != nil {
		return "", fmt.Errorf("read the definition of a tool: %w", err)
	}
	text := canonical(nil, map[string]any{
		"version": 1.0, "jobId": job.ID, "userId": job.UserID, "workspaceId": job.WorkspaceID, "threadId": job.ThreadID, "messageId": job.MessageID,
		"call": map[string]any{"id": call.ID, "name": call.Name, "arguments": call.Args, "definition": tool},
	})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// canonical appends a value as JSON.stringify writes it when the members of objects are sorted: those that are indexes
// of an array come first by their number, and the others by their UTF-16 code units.
func canonical(text []byte, value any) []byte {
	switch v := value.(type) {
	case map[string]any:
		text = append(text, '{')
		for i, name := range slices.SortedFunc(maps.Keys(v), inJavaScript) {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(scalar(text, jsontext.String(name)), ':')
			text = canonical(text, v[name])
		}
		return append(text, '}')
	case []any:
		text = append(text, '[')
		for i, item := range v {
			if i > 0 {
				text = append(text, ',')
			}
			text = canonical(text, item)
		}
		return append(text, ']')
	case string:
		return scalar(text, jsontext.String(v))
	case float64:
		return scalar(text, jsontext.Float(v+0)) // a zero has no sign
	case bool:
		return strconv.AppendBool(text, v)
	default:
		return append(text, "null"...)
	}
}

func scalar(text []byte, t jsontext.Token) []byte {
	if t.Kind() == '"' {
		quoted, _ := jsontext.AppendQuote(text, t.String()) // invalid UTF-8 becomes replacement characters
		return quoted
	}
	return append(text, t.String()...)
}

func inJavaScript(a, b string) int {
	m, isIndex := arrayIndex(a)
	n, isIndexToo := arrayIndex(b)
	switch {
	case isIndex && isIndexToo:
		return cmp.Compare(m, n)
	case isIndex:
		return -1
	case isIndexToo:
		return 1
	}
	return slices.Compare(jsstring.SortKey(a), jsstring.SortKey(b))
}

// arrayIndex returns the array index that a name stands for.
func arrayIndex(name string) (uint64, bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	return n, err == nil && n < 1<<32-1 && strconv.FormatUint(n, 10) == name
}

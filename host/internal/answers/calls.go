package answers

import (
	"encoding/json"
	"fmt"
	"strings"

	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/jobs"
)

// The states of a call (contract, client-behaviour §11).
const (
	callPending  = "pending"
	callLoading  = "loading"
	callComplete = "complete"
	callFailed   = "error"
	callSkipped  = "skipped"
)

// Where a tool is called.
const (
	inBrowser = "client"
	onServer  = "server"
)

// record is a call of a tool as clients see it, and as it goes into the history (contract, client-behaviour §11).
type record struct {
	ID      string  `json:"id"`
	Name    string  `json:"name"`
	Status  string  `json:"status"`
	Runtime string  `json:"runtime,omitempty"`
	Args    string  `json:"args"`
	Result  *string `json:"result,omitempty"`
	Error   string  `json:"error,omitempty"`
	// TextOffset is how long the text was when the call came, in UTF-16 code units.
	TextOffset int `json:"text_offset"`
}

// ended reports whether a call has a result.
func (r *record) ended() bool {
	return r.Status == callComplete || r.Status == callFailed || r.Status == callSkipped
}

// said is what the model is told of a call.
func (r *record) said() string {
	if r.Result != nil {
		return *r.Result
	}
	return fmt.Sprintf("The tool %q has failed: %s", r.Name, r.Error)
}

// settle ends a call.
func (r *record) settle(result, fault string) {
	if r.Status = callComplete; fault != "" {
		r.Status, r.Error = callFailed, strings.ToValidUTF8(fault[:min(len(fault), maxFault)], "")
		return
	}
	r.Result = &result
}

// The bounds of results, in bytes.
const (
	// maxResult is how much the model is told of one call (contract, client-behaviour §15).
	maxResult = 128 << 10
	// maxFault is how much it is told of what went wrong.
	maxFault = 2000
	// forText is how much of an answer is left for its text, whatever tools bring.
	forText = 64 << 10
)

// fit cuts the result of a call to what an answer has room for.
func fit(result string, room int) string {
	result = strings.ToValidUTF8(result, "\uFFFD")
	if len(result) <= min(room, maxResult) {
		return result
	}
	return fmt.Sprintf("[The result was left out: it has %d bytes, and there is room for %d.]", len(result), max(min(room, maxResult), 0))
}

// records are the calls of an answer.
type records []record

// readRecords returns the calls of a job.
func readRecords(toolCalls []byte) (out records) {
	_ = json.Unmarshal(toolCalls, &out) // what is none of ours is none
	return out
}

func (r records) find(id string) *record {
	for i := range r {
		if r[i].ID == id {
			return &r[i]
		}
	}
	return nil
}

// json returns the calls as they are kept; nil if there were none.
func (r records) json() []byte {
	if r == nil {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return text
}

// size is how many bytes they have when they are kept.
func (r records) size() int { return len(r.json()) }

// room is how many bytes a further result may have beside text.
func (r records) room(text int) int { return jobs.MaxText - forText - text - r.size() }

// add takes calls of a model on record. Ids that are missing, long or taken become others.
func (r records) add(calls []completions.ToolCall, content string) records {
	offset := jsstring.Len(content)
	for i := range calls {
		c := &calls[i]
		base := c.ID
		if base == "" || len(base) > completions.MaxCallID {
			base = "call"
		}
		for n := 0; c.ID == "" || len(c.ID) > completions.MaxCallID+8 || r.find(c.ID) != nil; n++ {
			c.ID = fmt.Sprintf("%s-%d", base, len(r)+n)
		}
		r = append(r, record{ID: c.ID, Name: c.Name, Status: callPending, Args: c.Arguments, TextOffset: offset})
	}
	return r
}

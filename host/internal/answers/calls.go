package answers

import (
	"bytes"
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

// said is what the model is told about a call.
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

// The limits of results, in bytes.
const (
	// maxResult is how much the model is told about one call (contract, client-behaviour §15).
	maxResult = 128 << 10
	// maxFault is how much it is told about an error.
	maxFault = 2000
	// forText is how much of an answer is left for its text, whatever tools return.
	forText = 64 << 10
)

// fit drops a result that does not fit into the answer, in bytes of JSON.
func fit(result string, room int) string {
	result = strings.ToValidUTF8(result, "\uFFFD")
	if len(result) <= maxResult && len(plain(result)) <= room {
		return result
	}
	return fmt.Sprintf("[The result was left out: it has %d bytes, and there is room for %d.]", len(result), max(min(room, maxResult), 0))
}

// plain returns the JSON of a value, as short as it can be. The value must have a JSON form.
func plain(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// records are the calls of an answer.
type records []record

// readRecords returns the calls of a job.
func readRecords(toolCalls []byte) (out records) {
	_ = json.Unmarshal(toolCalls, &out) // anything else counts as none
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

// abandon ends the calls of an answer that has ended without them, and reports whether there were any.
func (r records) abandon() (open bool) {
	for i := range r {
		if c := &r[i]; !c.ended() {
			c.settle("", "the answer has ended")
			open = true
		}
	}
	return open
}

// json returns the calls in stored form; nil if there were none.
func (r records) json() []byte {
	if r == nil {
		return nil
	}
	return plain(r)
}

// size is how many bytes they have in stored form.
func (r records) size() int { return len(r.json()) }

// room is how many bytes a further result may have besides the text.
func (r records) room(text int) int { return jobs.MaxText - forText - text - r.size() }

// add records calls of a model. Ids that are missing, too long or taken are replaced.
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

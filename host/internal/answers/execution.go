package answers

import (
	"bytes"
	"encoding/json"

	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/jobs"
)

// execution is what it takes to go on with an answer, without the operator's keys: those are asked for when they are needed.
type execution struct {
	// Server is the name of the server of the model.
	Server string `json:"server"`
	// Key is the user's own; empty if the operator's is used.
	Key     string `json:"key,omitempty"`
	Referer string `json:"referer,omitempty"`
}

// place is where an execution opens again: in the job of the wish, and nowhere else.
func place(userID, admissionID string) string { return userID + "\x00" + admissionID }

// seal returns what it takes to go on with an answer: the execution as a line, and what the server is asked.
func (e *Engine) seal(o Order) ([]byte, error) {
	head, err := json.Marshal(execution{o.To.Name, o.Key, o.Referer})
	if err != nil {
		return nil, err
	}
	return e.sealer.Seal(append(append(head, '\n'), o.Body...), place(o.UserID, o.Admission.AdmissionID))
}

// call returns what the server of an answer is asked.
func (e *Engine) call(job *jobs.Claimed) (completions.Call, error) {
	text, err := e.sealer.Open(job.Execution, place(job.UserID, job.AdmissionID))
	if err != nil {
		return completions.Call{}, errKey
	}
	head, body, _ := bytes.Cut(text, []byte("\n"))
	var x execution
	if err := json.Unmarshal(head, &x); err != nil {
		return completions.Call{}, errKey
	}
	to, _ := e.opt.Upstreams.Of(job.Model)
	if to.Name != x.Server {
		return completions.Call{}, errUpstream
	}
	call := completions.Call{To: to, Key: x.Key, Referer: x.Referer, Body: completions.NewBody(body)}
	if x.Key == "" {
		if call.Key = to.Key; to.Name == "" && to.Key == "" {
			return completions.Call{}, errUpstream
		}
	}
	return call, nil
}

package answers

import (
	"bytes"
	"encoding/json"

	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/jobs"
)

// execution is what is needed to continue an answer, without the operator's keys: those are read when they are needed.
type execution struct {
	// Server is the name of the server of the model.
	Server string `json:"server"`
	// Key is the user's own; empty if the operator's is used.
	Key     string `json:"key,omitempty"`
	Referer string `json:"referer,omitempty"`
	// Browser are the functions that the browser called Device has; Whole says how the server sends calls of functions.
	Browser []string `json:"browser,omitempty"`
	Device  string   `json:"device,omitempty"`
	Whole   bool     `json:"whole,omitempty"`
	// GoesOn says that the model continues Content, which was cut.
	GoesOn bool `json:"goesOn,omitempty"`

	// The rest is the state of the answer at the last checkpoint: its texts, how often the model was asked, and for how
	// many milliseconds it was worked on in all.
	Content   string `json:"content,omitempty"`
	Reasoning string `json:"reasoning,omitempty"`
	Rounds    int    `json:"rounds,omitempty"`
	Worked    int64  `json:"worked,omitempty"`
	// Messages are what model and tools have said since, Calls the tools that the model has called last and whose
	// results it does not have yet. Recorded is how many calls were on record.
	Messages []json.RawMessage      `json:"messages,omitempty"`
	Calls    []completions.ToolCall `json:"calls,omitempty"`
	Recorded int                    `json:"recorded,omitempty"`

	// request is the chat, as it arrived.
	request *completions.Request
	body    []byte
}

// place is the only place where an execution can be opened again: the job of the wish.
func place(userID, admissionID string) string { return userID + "\x00" + admissionID }

// ForTools is how much of an execution a chat with tools leaves for what model and tools say, in bytes.
const ForTools = 128 << 10

// room is how many bytes a tool result may have for the execution to be stored with it.
func (x *execution) room() int {
	room := jobs.MaxExecution - ForTools/2 - len(x.body) - len(x.Content) - len(x.Reasoning)
	for _, m := range x.Messages {
		room -= len(m)
	}
	return room
}

// seal returns an execution in stored form: a line, and the request to the server.
func (e *Engine) seal(x *execution, place string) ([]byte, error) {
	return e.sealer.Seal(append(append(plain(x), '\n'), x.body...), place)
}

// open returns what is needed to continue an answer.
func (e *Engine) open(job *jobs.Claimed) (*execution, error) {
	text, err := e.sealer.Open(job.Execution, place(job.UserID, job.AdmissionID))
	if err != nil {
		return nil, errKey
	}
	head, body, _ := bytes.Cut(text, []byte("\n"))
	x := &execution{body: body}
	if err := json.Unmarshal(head, x); err != nil {
		return nil, errKey
	}
	if x.request, err = completions.Read(body); err != nil {
		return nil, errKey
	}
	return x, nil
}

// call returns the next request to the server of an answer.
func (e *Engine) call(job *jobs.Claimed, x *execution) (completions.Call, error) {
	to, _ := e.opt.Upstreams.Of(job.Model)
	if to.Name != x.Server {
		return completions.Call{}, errUpstream
	}
	call := completions.Call{To: to, Key: x.Key, Referer: x.Referer}
	if x.Key == "" {
		if call.Key = to.Key; to.Name == "" && to.Key == "" {
			return completions.Call{}, errUpstream
		}
	}
	var err error
	call.Body, err = x.request.Turn(x.Messages)
	return call, err
}

// offered returns what the server was offered.
func (x *execution) offered() completions.Offered {
	switch {
	case len(x.request.Functions) == 0:
		return completions.NoTools
	case x.Whole:
		return completions.WholeFields
	}
	return completions.Pieces
}

package jobapi

import (
	"encoding/json"
	"hash/maphash"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/jobs"
)

// Timing of a stream.
const (
	// checkEvery is how often the permission to read is checked again.
	checkEvery = time.Second
	// pingEvery is how often a comment is sent (contract, client-behaviour §11), and the job looked at in any case: the
	// store makes it fail if no worker works on it any more.
	pingEvery = 15 * time.Second
	// patience is how long a reader may leave an event unread.
	patience = 10 * time.Second
)

// The events of a stream.
const (
	snapshot = "snapshot"
	piece    = "delta"
	ended    = "status"
)

// status is a job as clients see it. Lengths are in UTF-16 code units.
type status struct {
	ID             string          `json:"id"`
	Status         jobs.Status     `json:"status"`
	ThreadID       string          `json:"threadId"`
	MessageID      string          `json:"messageId"`
	Model          string          `json:"model"`
	ChunksReceived int             `json:"chunksReceived"`
	Attempt        int             `json:"attempt"`
	StartedAt      int64           `json:"startedAt"`
	CompletedAt    int64           `json:"completedAt,omitempty"`
	Error          string          `json:"error,omitempty"`
	ToolCalls      json.RawMessage `json:"tool_calls,omitempty"`
	WorkflowState  json.RawMessage `json:"workflow_state,omitempty"`
	Usage          json.RawMessage `json:"usage,omitempty"`

	Content       *string `json:"content,omitempty"`
	ContentDelta  *string `json:"content_delta,omitempty"`
	ContentLength int     `json:"content_length"`
	// ContentReset and ReasoningReset say that another attempt has begun, so that what the reader has is void.
	ContentReset    bool    `json:"content_reset,omitempty"`
	Reasoning       *string `json:"reasoning_text,omitempty"`
	ReasoningDelta  *string `json:"reasoning_delta,omitempty"`
	ReasoningLength int     `json:"reasoning_length"`
	ReasoningReset  bool    `json:"reasoning_reset,omitempty"`
}

func about(j *jobs.Job) *status {
	out := &status{
		ID: j.ID, Status: j.Status, ThreadID: j.ThreadID, MessageID: j.MessageID, Model: j.Model, ChunksReceived: j.ChunksReceived,
		Attempt: j.Attempts, StartedAt: j.StartedAt.UnixMilli(), Error: j.Error, ToolCalls: j.ToolCalls, WorkflowState: j.WorkflowState, Usage: j.Usage,
	}
	if !j.CompletedAt.IsZero() {
		out.CompletedAt = j.CompletedAt.UnixMilli()
	}
	return out
}

// whole gives a reader all of the answer.
func (s *status) whole(v *jobs.View) { s.Content, s.ContentLength = &v.Content.Text, v.Content.Length }

// thoughts gives a reader all that the model has thought.
func (s *status) thoughts(v *jobs.View) {
	s.Reasoning, s.ReasoningLength = &v.Reasoning.Text, v.Reasoning.Length
}

// part gives a reader what is beyond its place, or everything if that place is not in this answer.
func (s *status) part(v *jobs.View, from jobs.Place) {
	s.ContentLength = v.Content.Length
	if v.Content.From == from.Content {
		s.ContentDelta = &v.Content.Text
		return
	}
	none := ""
	s.Content, s.ContentDelta = &v.Content.Text, &none
	s.ContentReset = from.Attempt != 0 && from.Attempt != v.Attempts
	s.ReasoningReset = s.ContentReset
}

var seed = maphash.MakeSeed()

// reader is one client that reads a job along.
type reader struct {
	out   *httpapi.EventStream
	have  jobs.Place
	calls uint64 // of tools, as the client has them: a number that tells them from others
}

// send sends an event, and reports whether the client has read it.
func (o *reader) send(event string, s *status) bool {
	text, err := json.Marshal(struct {
		Event  string  `json:"event"`
		Status *status `json:"status"`
	}{event, s})
	if err != nil {
		return false
	}
	o.out.Event("", "", text)
	return o.out.Send() == nil
}

// begin sends the first event: all of the answer, or what is beyond the client's place.
func (o *reader) begin(v *jobs.View, from jobs.Place) bool {
	s := about(&v.Job)
	s.thoughts(v)
	if from.Content == 0 {
		s.whole(v)
	} else {
		s.part(v, from)
	}
	o.note(v)
	return o.send(snapshot, s)
}

// note remembers what the client has with the next event.
func (o *reader) note(v *jobs.View) {
	o.have = jobs.Place{Content: v.Content.Length, Reasoning: v.Reasoning.Length, Attempt: v.Attempts}
	o.calls = maphash.Bytes(seed, v.ToolCalls)
}

// goOn sends what is new. Another attempt begins with a snapshot.
func (o *reader) goOn(v *jobs.View) bool {
	had, called := o.have, o.calls != maphash.Bytes(seed, v.ToolCalls)
	o.note(v)
	s := about(&v.Job)
	if !called { // clients keep what they have
		s.ToolCalls = nil
	}
	switch {
	case v.Attempts != had.Attempt || v.Content.From != had.Content || v.Reasoning.From != had.Reasoning:
		s.whole(v)
		s.thoughts(v)
		s.ContentReset, s.ReasoningReset = true, true
		return o.send(snapshot, s)
	case v.Content.Text == "" && v.Reasoning.Text == "" && !called:
		return true
	}
	s.ContentLength, s.ReasoningLength = v.Content.Length, v.Reasoning.Length
	s.ContentDelta = &v.Content.Text
	if v.Reasoning.Text != "" {
		s.ReasoningDelta = &v.Reasoning.Text
	}
	return o.send(piece, s)
}

// end sends the last event, with all of the answer.
func (o *reader) end(v *jobs.View) {
	s := about(&v.Job)
	s.whole(v)
	s.thoughts(v)
	o.send(ended, s)
}

func (a *API) stream(w http.ResponseWriter, r *http.Request) error {
	job, from, session, err := a.find(w, r)
	if err != nil || job == nil {
		return err
	}
	if r.Method == http.MethodHead {
		httpapi.EventHeader(w)
		return nil
	}
	leave, err := a.seats.Take(session.User.ID)
	if err != nil {
		return or3cloud.Unavailable(nil, "Too many streams are open", comeBack)
	}
	defer leave()
	id, user := job.ID, session.User.ID
	news, stop := a.opt.Answers.Watch(id)
	defer stop()
	read := func(place jobs.Place) (*jobs.View, error) {
		v, err := a.opt.Answers.Get(r.Context(), id, user, place)
		return &v, err
	}
	if job, err = read(from); err != nil { // with what came before the watch began
		return err
	}
	o := &reader{out: httpapi.NewEventStream(w, patience)}
	defer o.out.Close()
	if !o.begin(job, from) {
		return nil
	}
	memory := &httpapi.RecordOf(r).Memory
	if job.Status == jobs.Streaming {
		job.Content.Text, job.Reasoning.Text, job.ToolCalls = "", "", nil
		memory.Shrink(statusMemory)
	}
	check, ping := time.NewTicker(checkEvery), time.NewTicker(pingEvery)
	defer check.Stop()
	defer ping.Stop()
	for job.Status == jobs.Streaming {
		select {
		case <-news:
		case <-ping.C:
			o.out.Comment("ping")
			if o.out.Send() != nil {
				return nil
			}
		case <-check.C:
			// An error of the store ends the stream as well: what cannot be confirmed is not allowed.
			if a.opt.Host.Reauthorize(r, session, or3cloud.PermWorkspaceRead) != nil {
				return nil
			}
			continue
		case <-a.opt.Closing:
			return nil
		case <-r.Context().Done():
			return nil
		}
		switch job, err = read(o.have); {
		case or3cloud.CodeOf(err) == or3cloud.CodeNotFound:
			o.send(ended, &status{ID: id, Status: jobs.Failed, Error: "Job not found"})
			return nil
		case err != nil:
			return nil // the client comes back
		}
		if job.Status != jobs.Streaming {
			if memory.Grow(r.Context(), statusMemory) != nil {
				return nil // the client comes back
			}
		} else if !o.goOn(job) {
			return nil
		}
	}
	if job, err = read(jobs.Place{}); err == nil {
		o.end(job)
	}
	return nil
}

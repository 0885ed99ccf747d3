package answers

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/syncwire"
)

// Clients of February announce no history: they write the question and the answer themselves, the answer only when it
// has ended (contract, client-behaviour §2). If one was closed in the meantime, no other device would ever see the
// answer, so the missing part is written here.

const (
	// leaveTime is how long a client that is still there has for writing an answer that has ended.
	leaveTime = 10 * time.Second
	// leftClock is the clock of an answer that its client has left. It is beyond what that client has counted to when
	// it comes back with half of the answer: what other devices have made of the whole answer since then must win.
	leftClock = 1 << 20
	// lookBack is how many messages of a chat are searched for the question, from the end.
	lookBack = or3cloud.MaxChatMessages
	// sparse is the distance between messages of a chat, as clients leave it.
	sparse = 1000
	// stopped is the clients' word for an answer that its user has ended.
	stopped = "stopped"
)

// isLeft reports whether the history of a job is its client's to write.
func isLeft(job jobs.Job) bool { return job.GenerationID == "" }

// writeLeft writes an answer that has ended into the history, unless its client has.
func (a *archive) writeLeft(ctx context.Context, job jobs.PendingHistory) error {
	if a.opt.Now().Before(job.CompletedAt.Add(leaveTime)) {
		return nil
	}
	var g *or3cloud.ChatGeneration
	var err error
	if a.opt.Reader != nil {
		g, err = a.left(ctx, job)
	}
	if err == nil && g != nil {
		_, err = a.opt.History.AdmitChatGeneration(ctx, *g)
	}
	phase := jobs.HistoryCommitted
	switch code := or3cloud.CodeOf(err); {
	case err == nil && g == nil, code == or3cloud.CodeConflict, code == or3cloud.CodeNotFound, code == or3cloud.CodeForbidden:
		phase = jobs.HistorySuperseded
	case err != nil && !final(err):
		return err
	case err != nil:
		a.opt.Log.Warn("a background answer was not written into the history", "job", job.ID, "reason", reason(err))
		phase = jobs.HistoryBlocked
	}
	_, err = a.opt.Store.SetHistoryPhase(ctx, job.ID, phase, jobs.HistoryFinalizationPending)
	return err
}

// row is the relevant part of a message.
type row struct {
	Role      string                     `json:"role"`
	Deleted   bool                       `json:"deleted"`
	Index     float64                    `json:"index"`
	Clock     int64                      `json:"clock"`
	CreatedAt float64                    `json:"created_at"` // Unix seconds
	Data      map[string]json.RawMessage `json:"data"`
}

// says returns a text of the data of a message.
func (r *row) says(name string) (text string) {
	_ = json.Unmarshal(r.Data[name], &text)
	return text
}

// left returns the message that a client has left undone, as a complete generation; nil if there is nothing to do: the
// client has written it, its user has ended, edited or deleted it, or the question is not there either, which the
// client sends along with the answer when it is opened again.
func (a *archive) left(ctx context.Context, job jobs.PendingHistory) (*or3cloud.ChatGeneration, error) {
	var end syncwire.GenerationSnapshot
	var content string
	if err := json.Unmarshal(job.Snapshot, &end); err != nil {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid background history")
	}
	if err := json.Unmarshal(end.Content, &content); err != nil || content == "" && job.Status != jobs.Failed {
		return nil, err
	}
	message, known, err := a.known(ctx, job.Job)
	if err != nil {
		return nil, err
	}
	var had row
	switch {
	case known == nil: // no device has it
		if message, err = a.follows(ctx, job.Job); err != nil || message == nil {
			return nil, err
		}
	case known.Deleted || known.Role != "assistant" || job.Status != jobs.Complete || known.says("background_job_id") != job.ID ||
		known.says("background_job_status") != string(jobs.Failed) || !strings.HasPrefix(content, known.says("content")):
		return nil, nil
	default: // the client has lost the answer, with the connection
		had = *known
	}
	data := had.Data
	if data == nil {
		data = map[string]json.RawMessage{"attachments": json.RawMessage("[]")}
	}
	failed := quote(job.Error)
	switch job.Status {
	case jobs.Complete:
		failed = nil
	case jobs.Aborted:
		failed = quote(stopped)
	}
	set := func(into map[string]json.RawMessage, name string, value json.RawMessage) {
		if delete(into, name); value != nil {
			into[name] = value
		}
	}
	set(data, "content", end.Content)
	set(data, "reasoning_text", end.Reasoning)
	set(data, "background_job_id", quote(job.ID))
	set(data, "background_job_status", quote(string(job.Status)))
	set(data, "background_job_error", failed)
	set(data, "error", failed)
	clock := max(leftClock, had.Clock+1)
	if message["data"], err = json.Marshal(data); err != nil {
		return nil, err
	}
	set(message, "error", failed)
	message["clock"] = json.RawMessage(strconv.FormatInt(clock, 10))
	message["pending"] = json.RawMessage("false")
	message["updated_at"] = json.RawMessage(strconv.FormatInt(job.CompletedAt.Unix(), 10))
	text, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	return &or3cloud.ChatGeneration{
		Kind: or3cloud.Continuation, WorkspaceID: job.WorkspaceID, UserID: job.UserID, AdmissionID: job.AdmissionID, GenerationID: job.ID,
		ThreadID: job.ThreadID, MessageID: job.MessageID, AssistantMessage: text, Expected: &or3cloud.ExpectedAssistant{Clock: had.Clock},
	}, nil
}

func quote(text string) json.RawMessage {
	quoted, _ := json.Marshal(text) // of a string it always succeeds
	return quoted
}

// known returns the message of a job from the history, with its relevant part; nil if it has none.
func (a *archive) known(ctx context.Context, job jobs.Job) (message map[string]json.RawMessage, r *row, err error) {
	_, err = a.opt.Reader.ReadChatHistory(ctx, or3cloud.ChatQuery{
		WorkspaceID: job.WorkspaceID, UserID: job.UserID, Kind: or3cloud.ChatMessages, MessageIDs: []string{job.MessageID},
	}, func(payload []byte) error {
		r = &row{}
		if json.Unmarshal(payload, r) != nil || json.Unmarshal(payload, &message) != nil {
			return or3cloud.Errorf(or3cloud.CodeConflict, "The message does not belong to an answer")
		}
		return nil
	})
	return message, r, err
}

// follows returns a message after the question of a job, where its client would have put it; nil if the history has no
// question.
func (a *archive) follows(ctx context.Context, job jobs.Job) (map[string]json.RawMessage, error) {
	cursor, err := json.Marshal(map[string]any{"thread_id": job.ThreadID, "backward": true})
	if err != nil {
		return nil, err
	}
	begun := float64(job.StartedAt.Add(leaveTime).Unix()) // by a clock that may be ahead
	var question *row
	_, err = a.opt.Reader.ReadChatHistory(ctx, or3cloud.ChatQuery{
		WorkspaceID: job.WorkspaceID, UserID: job.UserID, Kind: or3cloud.ChatThreadPage, ThreadID: job.ThreadID,
		Cursor: "chat-seek-v1:" + string(cursor), Limit: lookBack,
	}, func(payload []byte) error {
		var r row
		if json.Unmarshal(payload, &r) == nil && !r.Deleted && r.Role == "user" && r.CreatedAt <= begun && (question == nil || r.Index > question.Index) {
			question = &r
		}
		return nil
	})
	if err != nil || question == nil {
		return nil, err
	}
	created := json.RawMessage(strconv.FormatInt(job.StartedAt.Unix(), 10))
	return map[string]json.RawMessage{
		"id": quote(job.MessageID), "thread_id": quote(job.ThreadID), "role": json.RawMessage(`"assistant"`),
		"index": json.RawMessage(strconv.FormatInt(int64(question.Index)+sparse, 10)), "order_key": quote(orderKey(job.StartedAt)),
		"created_at": created, "deleted": json.RawMessage("false"),
	}, nil
}

// orderKey is how clients order messages in the same place: by the time, in the form of a hybrid logical clock
// (contract, sync §3).
func orderKey(at time.Time) string {
	millis := strconv.FormatInt(at.UnixMilli(), 36)
	return strings.Repeat("0", max(0, 9-len(millis))) + millis + ":000:or3cloud"
}

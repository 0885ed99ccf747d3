package answers

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/syncwire"
)

// archive writes answers into the history.
type archive struct {
	opt     *Options
	readers *readers
	late    map[string]delay // by the job: what could not be written, for example into a workspace that is full
}

// delay is when something is tried again.
type delay struct {
	until  time.Time
	length time.Duration
}

const (
	// atOnce is for how many answers the history is read in one go, besides those that are late.
	atOnce = 100
	// shortestDelay and longestDelay limit how long an answer waits that could not be written.
	shortestDelay = time.Second
	longestDelay  = time.Minute
)

// bring writes what waits into the history: messages of answers that begin, and answers that have ended. What cannot be
// written now blocks no other: it is tried again, less and less often.
func (a *archive) bring(ctx context.Context) error {
	pending, err := a.opt.Store.PendingHistoryJobs(ctx, atOnce+len(a.late))
	if err != nil {
		return err
	}
	late := map[string]delay{}
	for _, job := range pending {
		d := a.late[job.ID]
		if a.opt.Now().Before(d.until) {
			late[job.ID] = d
			continue
		}
		var err error
		switch {
		case job.HistoryPhase == jobs.HistoryAdmissionPending:
			err = a.writeAdmission(ctx, job.Job, false)
		case isLeft(job.Job):
			err = a.writeLeft(ctx, job)
		case job.HistoryPhase == jobs.HistoryFinalizationPending:
			err = a.writeAnswer(ctx, job)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if final(err) {
			continue
		}
		if d.length == 0 {
			a.opt.Log.Warn("a background answer waits to be written into the history", "job", job.ID, "reason", reason(err))
		}
		d.length = min(max(2*d.length, shortestDelay), longestDelay)
		d.until = a.opt.Now().Add(d.length)
		late[job.ID] = d
	}
	a.late = late
	return nil
}

// final reports whether trying again would change nothing.
func final(err error) bool {
	switch or3cloud.CodeOf(err) {
	case or3cloud.CodeInvalid, or3cloud.CodeTooLarge, or3cloud.CodeConflict, or3cloud.CodeForbidden, or3cloud.CodeNotFound:
		return true
	}
	return err == nil
}

func generation(job jobs.Job) (or3cloud.ChatGeneration, error) {
	var in syncwire.AdmissionEnvelope
	if err := json.Unmarshal(job.Context, &in); err != nil {
		return or3cloud.ChatGeneration{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid background history")
	}
	return in.Generation(job.UserID)
}

// writeAdmission writes the messages of an answer that begins. If the history refuses them it has failed; asked says
// that its user is told.
func (a *archive) writeAdmission(ctx context.Context, job jobs.Job, asked bool) error {
	g, err := generation(job)
	if err == nil {
		_, err = a.opt.History.AdmitChatGeneration(ctx, g)
	}
	switch {
	case err == nil:
		_, err := a.opt.Store.SetHistoryPhase(ctx, job.ID, jobs.HistoryReady, jobs.HistoryAdmissionPending)
		return err
	case !final(err):
		return err
	}
	if _, failed := a.opt.Store.FinishJob(ctx, job.ID, jobs.Outcome{Status: jobs.Failed, Error: reason(err), Cause: reason(err), Seen: asked}); failed != nil {
		return failed
	}
	if failed := a.block(ctx, job.ID, jobs.HistoryAdmissionPending); failed != nil {
		return failed
	}
	a.readers.tell(job.ID)
	return err
}

// writeAnswer writes an answer that has ended.
func (a *archive) writeAnswer(ctx context.Context, job jobs.PendingHistory) error {
	var in syncwire.GenerationSnapshot
	g, err := generation(job.Job)
	if err == nil && json.Unmarshal(job.Snapshot, &in) != nil {
		err = or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid background history")
	}
	var receipt or3cloud.GenerationReceipt
	if calls := readRecords(in.ToolCalls); calls.abandon() { // it was stopped while one was open
		in.ToolCalls = calls.json()
	}
	if err == nil && g.Kind == or3cloud.Continuation {
		in.Content = atLeast(in.Content, g.AssistantMessage)
	}
	if err == nil {
		receipt, err = a.opt.History.FinalizeChatGeneration(ctx, g, in.Snapshot())
	}
	if err != nil {
		if !final(err) {
			return err
		}
		a.opt.Log.Warn("a background answer was not written into the history", "job", job.ID, "reason", reason(err))
		return a.block(ctx, job.ID, jobs.HistoryFinalizationPending)
	}
	phase := jobs.HistoryCommitted
	if receipt.Superseded != "" {
		phase = jobs.HistorySuperseded
	}
	_, err = a.opt.Store.SetHistoryPhase(ctx, job.ID, phase, jobs.HistoryFinalizationPending)
	return err
}

// atLeast returns the final content of a message that an answer continues: what it had stays, even if the answer has
// ended after a worker was lost and its texts had started again.
func atLeast(content, message []byte) []byte {
	var whole string
	had, _ := soFar(message)
	if json.Unmarshal(content, &whole) == nil && strings.HasPrefix(whole, had) {
		return content
	}
	text, err := json.Marshal(had)
	if err != nil {
		return content
	}
	return text
}

// block ends an answer's wait for the history.
func (a *archive) block(ctx context.Context, id string, from jobs.HistoryPhase) error {
	_, err := a.opt.Store.SetHistoryPhase(ctx, id, jobs.HistoryBlocked, from)
	return err
}

// reason is what a user is told.
func reason(err error) string {
	var fault *or3cloud.Error
	if errors.As(err, &fault) {
		return fault.Message
	}
	return err.Error()
}

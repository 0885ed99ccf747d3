package answers

import (
	"context"
	"errors"
	"fmt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
)

// failedTitle is the title above the reason why a user has no answer.
const failedTitle = "AI response failed"

// notices tell users of answers that have ended without them (contract, client-behaviour §13).
type notices struct {
	opt     *Options
	readers *readers
}

// give sends all notices that are due. If it is interrupted, it sends them again: a notification under the same id is
// the same.
func (n *notices) give(ctx context.Context) error {
	if n.opt.Notifier == nil {
		return nil
	}
	due, err := n.opt.Store.JobsToTell(ctx, atOnce)
	if err != nil {
		return err
	}
	var faults []error
	for _, job := range due {
		if failedLeft(&job) || !n.readers.watched(job.ID) {
			if err := n.tell(ctx, &job); err != nil {
				faults = append(faults, err)
				continue
			}
		}
		if err := n.opt.Store.JobIsTold(ctx, job.ID); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// tell notifies the user of a job that has ended, if there is something to tell.
func (n *notices) tell(ctx context.Context, job *jobs.Job) error {
	notice := noticeOf(job)
	if n.opt.Notifier == nil || notice.Type == "" {
		return nil
	}
	err := n.opt.Notifier.Notify(ctx, notice)
	if !final(err) {
		return fmt.Errorf("the notification of job %s: %w", job.ID, err)
	}
	if err != nil { // for example to a former member
		n.opt.Log.Debug("a user was not told about a background answer", "job", job.ID, "reason", reason(err))
	}
	return nil
}

// failedLeft reports whether a job has failed whose client does not show the reason, whether it reads along or not.
func failedLeft(job *jobs.Job) bool { return job.Status == jobs.Failed && isLeft(*job) }

// noticeOf returns the notification for the end of an answer; nothing if the chat has continued without it.
func noticeOf(job *jobs.Job) or3cloud.Notification {
	n := or3cloud.Notification{
		ID:          or3cloud.NotificationID("ai.background", job.ID),
		WorkspaceID: job.WorkspaceID, UserID: job.UserID, ThreadID: job.ThreadID,
	}
	switch {
	case failedLeft(job):
		n.Type, n.Title, n.Body = or3cloud.NotifyAnswerFailed, failedTitle, job.Error
	case job.HistoryPhase == jobs.HistorySuperseded, job.Status != jobs.Complete && job.Status != jobs.Failed:
	case job.Status == jobs.Complete && job.HistoryPhase != jobs.HistoryBlocked:
		n.Type, n.Title, n.Body = or3cloud.NotifyAnswerComplete, "AI response ready", "Your background response is ready."
	default:
		n.Type, n.Title, n.Body = or3cloud.NotifyAnswerFailed, failedTitle, job.Error
		if job.Status == jobs.Complete {
			n.Body = "Your background response could not be written into the chat."
		}
	}
	return n
}

// Refused tells a user why an answer has not begun, if their client does not: once a minute for the same status, so
// that repeated attempts do not fill the log.
func (e *Engine) Refused(ctx context.Context, userID, workspaceID, threadID, why string, status int) {
	if e.opt.Notifier == nil || workspaceID == "" {
		return
	}
	if !isThreadID(threadID) {
		threadID = ""
	}
	err := e.opt.Notifier.Notify(ctx, or3cloud.Notification{
		ID:          or3cloud.NotificationID("ai.background.refused", userID, fmt.Sprint(status), fmt.Sprint(e.opt.Now().Unix()/60)),
		WorkspaceID: workspaceID, UserID: userID, ThreadID: threadID, Type: or3cloud.NotifyAnswerFailed, Title: failedTitle, Body: why,
	})
	if err != nil {
		e.opt.Log.Debug("a user was not told why a background answer has not begun", "reason", reason(err))
	}
}

func isThreadID(id string) bool { return id != "" && len(id) <= or3cloud.MaxChatID }

package answers

import (
	"context"
	"errors"
	"fmt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
)

// notices tell users of answers that have ended without them (contract, client-behaviour §13).
type notices struct {
	opt     *Options
	readers *readers
}

// give gives all notices that are due. What dies in between is done again: a notification under the same id is the same.
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
		if notice := noticeOf(&job); notice.Type != "" && !n.readers.watched(job.ID) {
			err := n.opt.Notifier.Notify(ctx, notice)
			if !final(err) {
				faults = append(faults, fmt.Errorf("the notification of job %s: %w", job.ID, err))
				continue
			}
			if err != nil { // such as to someone who is no member any more
				n.opt.Log.Debug("a user is not told of a background answer", "job", job.ID, "reason", reason(err))
			}
		}
		if err := n.opt.Store.JobIsTold(ctx, job.ID); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// noticeOf returns what a user is told of the end of an answer; nothing if the chat has gone on without it.
func noticeOf(job *jobs.Job) or3cloud.Notification {
	n := or3cloud.Notification{
		ID:          or3cloud.NotificationID("ai.background", job.ID),
		WorkspaceID: job.WorkspaceID, UserID: job.UserID, ThreadID: job.ThreadID,
	}
	switch {
	case job.HistoryPhase == jobs.HistorySuperseded, job.Status != jobs.Complete && job.Status != jobs.Failed:
	case job.Status == jobs.Complete && job.HistoryPhase != jobs.HistoryBlocked:
		n.Type, n.Title, n.Body = or3cloud.NotifyAnswerComplete, "AI response ready", "Your background response is ready."
	default:
		n.Type, n.Title, n.Body = or3cloud.NotifyAnswerFailed, "AI response failed", job.Error
		if job.Status == jobs.Complete {
			n.Body = "Your background response could not be written into the chat."
		}
	}
	return n
}

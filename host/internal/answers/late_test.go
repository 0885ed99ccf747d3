package answers

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
)

// queue is a store of jobs that wait for the history, the oldest first.
type queue struct {
	Store
	waiting []jobs.PendingHistory
	asked   int // how often something was about to be written
}

func (q *queue) PendingHistoryJobs(_ context.Context, limit int) ([]jobs.PendingHistory, error) {
	return append([]jobs.PendingHistory(nil), q.waiting[:min(limit, len(q.waiting))]...), nil
}

func (q *queue) SetHistoryPhase(_ context.Context, id string, _ jobs.HistoryPhase, _ ...jobs.HistoryPhase) (bool, error) {
	for i, job := range q.waiting {
		if job.ID == id {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			return true, nil
		}
	}
	return false, nil
}

// history refuses what goes into a workspace that is full.
type history struct {
	or3cloud.GenerationHistory
	of *queue
}

func (h history) FinalizeChatGeneration(_ context.Context, g or3cloud.ChatGeneration, _ or3cloud.GenerationSnapshot) (or3cloud.GenerationReceipt, error) {
	h.of.asked++
	if g.WorkspaceID == "full" {
		return or3cloud.GenerationReceipt{}, or3cloud.Unavailable(nil, "The workspace is full", time.Minute)
	}
	return or3cloud.GenerationReceipt{}, nil
}

// Answers for which there is no room, however many, block no other, and are tried again less and less often.
func TestWhatWaitsForTheHistoryHoldsUpNoOther(t *testing.T) {
	const stuck = 3 * atOnce
	q, now := &queue{}, time.Unix(1_771_000_000, 0)
	add := func(id, workspace string) {
		q.waiting = append(q.waiting, jobs.PendingHistory{
			Job: jobs.Job{ID: id, WorkspaceID: workspace, GenerationID: "g", HistoryPhase: jobs.HistoryFinalizationPending, Status: jobs.Complete,
				Context: fmt.Appendf(nil, `{"version":1,"workspaceId":%q}`, workspace)},
			Snapshot: []byte(`{"status":"complete","content":"x","completedAt":1}`),
		})
	}
	for n := range stuck {
		add(fmt.Sprint(n), "full")
	}
	add("another", "roomy")
	a := archive{opt: &Options{Store: q, History: history{of: q}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}, readers: &readers{}}
	for range stuck/atOnce + 1 {
		if err := a.bring(t.Context()); err != nil {
			t.Fatalf("the loop is held up: %v", err)
		}
	}
	if len(q.waiting) != stuck || q.asked != stuck+1 {
		t.Errorf("%d wait, and were tried %d times", len(q.waiting), q.asked)
	}
	for range 600 { // seconds
		now = now.Add(time.Second)
		if err := a.bring(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if most := stuck * 20; q.asked > most {
		t.Errorf("tried %d times in ten minutes, which are more than %d", q.asked, most)
	}
	add("later", "roomy")
	if err := a.bring(t.Context()); err != nil || len(q.waiting) != stuck || len(a.late) != stuck {
		t.Errorf("%d wait, %d are late, %v", len(q.waiting), len(a.late), err)
	}
}

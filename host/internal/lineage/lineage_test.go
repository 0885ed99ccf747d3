package lineage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/answers"
)

// store is a workspace of one user.
type store struct {
	threads  map[string]string
	messages map[string]string
	order    []string // of the messages of "p"
	revision string
}

func (s *store) ReadChatHistory(ctx context.Context, q or3cloud.ChatQuery, emit func([]byte) error) (page or3cloud.ChatPage, err error) {
	if q.UserID != "ann" || q.WorkspaceID != "w" {
		return page, or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden")
	}
	switch q.Kind {
	case or3cloud.ChatThread:
		page.Revision = s.revision
		if text, ok := s.threads[q.ThreadID]; ok {
			page.Thread = []byte(text)
		}
	case or3cloud.ChatMessages:
		for _, id := range q.MessageIDs {
			if text, ok := s.messages[id]; ok {
				if err := emit([]byte(text)); err != nil {
					return page, err
				}
			}
		}
	default:
		at := 0
		if q.Cursor != "" {
			_, _ = fmt.Sscanf(q.Cursor, "at %d", &at)
		}
		for ; at < len(s.order) && page.Examined < q.Limit; at++ {
			page.Examined++
			if err := emit([]byte(s.messages[s.order[at]])); err != nil {
				return page, err
			}
		}
		if at < len(s.order) {
			page.NextCursor = fmt.Sprint("at ", at)
		}
	}
	return page, nil
}

// long is a chat that was compacted from one of n messages.
func long(t *testing.T, n int) (*store, *Tools, *time.Time) {
	s := &store{
		threads:  map[string]string{"p": `{"id":"p"}`, "c": fmt.Sprintf(`{"id":"c","parent_thread_id":"p","anchor_message_id":"m%d","branch_mode":"compacted","summary_message_id":"s"}`, n-1)},
		messages: map[string]string{}, revision: "1",
	}
	var refs []string
	for i := range n {
		id := fmt.Sprint("m", i)
		s.messages[id] = fmt.Sprintf(`{"id":%q,"thread_id":"p","role":"user","index":%d,"clock":1,"data":{"content":"needle %d"}}`, id, i, i)
		s.order = append(s.order, id)
		refs = append(refs, fmt.Sprintf(`{"message_id":%q,"clock":1}`, id))
	}
	s.messages["s"] = fmt.Sprintf(`{"id":"s","thread_id":"c","role":"system","data":{"kind":"compaction","compaction":{"version":1,"source_thread_id":"p","anchor_message_id":"m%d",
		"history_scope":{"version":1,"segments":[{"thread_id":"p","messages":[%s]}]}}}}`, n-1, strings.Join(refs, ","))
	now := time.Unix(1e9, 0)
	tools, err := New(s, rand.Reader, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return s, tools, &now
}

func call(t *testing.T, tools *Tools, name, arguments string) (out struct {
	Status  string
	Reason  string
	Results []struct {
		MessageID string `json:"message_id"`
	}
	Scanned     int    `json:"scanned_rows"`
	Unavailable int    `json:"unavailable_rows"`
	Complete    bool   `json:"scan_complete"`
	Next        string `json:"next_cursor"`
	Message     struct {
		Text               string
		Truncated, Changed bool
	}
	Replacements []string `json:"replacement_message_ids"`
}) {
	t.Helper()
	text, err := tools.Call(t.Context(), answers.ToolCall{UserID: "ann", WorkspaceID: "w", ThreadID: "c", Name: name, Arguments: arguments})
	if err != nil || json.Unmarshal([]byte(text), &out) != nil || len(text) > messageSize {
		t.Fatalf("%d bytes, %.300s, %v", len(text), text, err)
	}
	return out
}

// A search in a long chat continues at its cursors until it has looked at everything, once.
func TestSearchesGoOn(t *testing.T) {
	for name, more := range map[string]string{"of a summary": "", "of whole chats": `,"include_after_compaction":true`} {
		t.Run(name, func(t *testing.T) {
			s, tools, now := long(t, 1234)
			scanned, rounds, cursor := 0, 0, ""
			for {
				out := call(t, tools, searchParent, fmt.Sprintf(`{"query":"needle 1","cursor":%q%s}`, cursor, more))
				if out.Status != "ok" || out.Scanned > maxRows || len(out.Results) != maxResults {
					t.Fatalf("%+v", out)
				}
				scanned += out.Scanned
				if rounds++; out.Complete {
					break
				}
				cursor = out.Next
			}
			if scanned != 1234 || rounds != 3 {
				t.Errorf("%d messages in %d rounds", scanned, rounds)
			}
			refuse := func(why, arguments string) {
				t.Helper()
				if out := call(t, tools, searchParent, arguments); out.Status != "scope_incomplete" || out.Results != nil {
					t.Errorf("%s: %+v", why, out)
				}
			}
			refuse("a cursor of another search", fmt.Sprintf(`{"query":"pin","cursor":%q%s}`, cursor, more))
			_, other, _ := long(t, 3)
			if out := call(t, other, searchParent, fmt.Sprintf(`{"query":"needle 1","cursor":%q%s}`, cursor, more)); out.Status != "scope_incomplete" {
				t.Errorf("a cursor of another process: %+v", out)
			}
			*now = now.Add(searchLife + time.Second)
			refuse("an old cursor", fmt.Sprintf(`{"query":"needle 1","cursor":%q%s}`, cursor, more))
			*now = now.Add(-searchLife)
			s.revision = "2"
			refuse("a cursor of a chat that has changed", fmt.Sprintf(`{"query":"needle 1","cursor":%q%s}`, cursor, more))
		})
	}
}

// The tools say what happened to a message, and cut large ones.
func TestMessagesOfThePast(t *testing.T) {
	s, tools, _ := long(t, 40)
	s.messages["m1"] = fmt.Sprintf(`{"id":"m1","thread_id":"p","role":"user","index":1,"clock":2,"data":{"content":[{"type":"text","text":%q}]}}`, strings.Repeat("日", 20_000))
	s.messages["m2"] = `{"id":"m2","thread_id":"p","role":"user","index":2,"clock":1,"data":{"content":"old","superseded_by":"m3"}}`
	s.messages["m4"] = `{"id":"m4","thread_id":"p","role":"user","index":4,"clock":1,"deleted":1,"data":{"content":"gone"}}`
	s.messages["m5"] = `{"id":"m5","thread_id":"p","role":"user","index":5,"clock":1,"data":{"content":"a","superseded_by":"m6"}}`
	s.messages["m6"] = `{"id":"m6","thread_id":"p","role":"user","index":6,"clock":1,"data":{"content":"b","superseded_by":"m5"}}`
	s.messages["m7"] = `{"id":"m7","thread_id":"elsewhere","role":"user","index":7,"clock":1,"data":{"content":"moved"}}`
	delete(s.messages, "m8")
	get := func(id string) string { return fmt.Sprintf(`{"message_id":%q}`, id) }
	if out := call(t, tools, getMessage, get("m1")); out.Status != "ok" || !out.Message.Truncated || out.Message.Text != strings.Repeat("日", len(out.Message.Text)/3) || len(out.Message.Text) < 20_000 {
		t.Errorf("%d bytes, %+.200v", len(out.Message.Text), out)
	}
	if out := call(t, tools, getMessage, get("m2")); out.Status != "superseded" || out.Message.Text != "needle 3" || len(out.Replacements) != 1 {
		t.Errorf("%+v", out)
	}
	for id, status := range map[string]string{"m4": "deleted", "m5": "scope_incomplete", "m7": "out_of_scope", "m8": "unavailable", "none": "out_of_scope"} {
		if out := call(t, tools, getMessage, get(id)); out.Status != status || out.Message.Text != "" {
			t.Errorf("%s: %+v", id, out)
		}
	}
	if out := call(t, tools, searchParent, `{"query":"moved gone old"}`); out.Status != "ok" || len(out.Results) != 0 || out.Unavailable != 1 {
		t.Errorf("%+v", out)
	}
	if out, err := tools.Call(t.Context(), answers.ToolCall{UserID: "eve", WorkspaceID: "w", ThreadID: "c", Name: getMessage, Arguments: get("m3")}); err != nil || strings.Contains(out, "needle") {
		t.Errorf("another user: %s, %v", out, err)
	}
	if tools.Ready(t.Context(), "eve", "w", "c") || !tools.Ready(t.Context(), "ann", "w", "c") || tools.Ready(t.Context(), "ann", "w", "p") {
		t.Error("the wrong chats are ready")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tools.Call(ctx, answers.ToolCall{UserID: "ann", WorkspaceID: "w", ThreadID: "c", Name: getMessage, Arguments: get("m3")}); err == nil {
		t.Error("a call that is over has a result")
	}
}

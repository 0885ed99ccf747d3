package syncrule

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	or3cloud "or3.chat/cloud"
)

// FuzzChatCursors checks that a cursor leads back to where it was made, and that invalid texts do not panic.
func FuzzChatCursors(f *testing.F) {
	f.Add("t", true, 1.5, "k", "id", `{"thread_id":"t","backward":true,"key":[1,"k","id"]}`)
	f.Add("<&>", false, 0.0, "\x00", "\U0001F600", `{"thread_id":"t","backward":true,"key":null}`)
	f.Fuzz(func(t *testing.T, thread string, backward bool, index float64, order, id, other string) {
		q := or3cloud.ChatQuery{Kind: or3cloud.ChatThreadPage, ThreadID: thread, Limit: 1, Cursor: seekPrefix + other}
		_, _ = CheckChatQuery(&q)
		s := ChatSeek{ThreadID: thread, Backward: backward, Index: index, OrderKey: order, ID: id, Begun: true}
		text := s.Cursor()
		short := len(order)+len(id)+len(thread) < or3cloud.MaxChatCursor/8 // an escape takes six bytes
		if text == "" && short && !math.IsInf(index, 0) && !math.IsNaN(index) {
			t.Fatalf("no cursor for %+v", s)
		}
		if text == "" || thread == "" || len(thread) > or3cloud.MaxChatID || !utf8.ValidString(thread) || !utf8.ValidString(order) || !utf8.ValidString(id) {
			return
		}
		q.Cursor = text
		if got, err := CheckChatQuery(&q); err != nil || got != s || len(text) > or3cloud.MaxChatCursor {
			t.Fatalf("%s: %+v, %v; want %+v", text, got, err, s)
		}
	})
}

// TestFinalMessages checks the words that hosts look for in messages to tell final from temporary failures.
func TestFinalMessages(t *testing.T) {
	for _, err := range []error{invalidGeneration("x"), conflictingGeneration("x"), ErrGenerationDiffers} {
		if text := strings.ToLower(err.Error()); !strings.Contains(text, "invalid background") && !strings.Contains(text, "conflicting background") {
			t.Error(text)
		}
	}
}

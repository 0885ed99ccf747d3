package workspaceapi

import (
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// A list that is too long for an answer loses its end, but not the active workspace.
func TestListsEndAtAnswerBytes(t *testing.T) {
	text := strings.Repeat("x", 1000)
	items := make([]item, 5000)
	for i := range items {
		items[i] = item{Name: "w", Description: &text, IsActive: i == len(items)-1}
	}
	kept := fit(items)
	if n := len(kept); n < 3000 || n*len(text) > or3cloud.AnswerBytes || !kept[n-1].IsActive {
		t.Errorf("%d of %d are kept", n, len(items))
	}
	if got := fit(items[:10:10]); len(got) != 10 {
		t.Errorf("%d of 10 are kept", len(got))
	}
}

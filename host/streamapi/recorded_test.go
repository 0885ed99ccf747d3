package streamapi

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"

	or3cloud "or3.chat/cloud"
)

// The chats of the recorded traffic are passed on as the client sent them, and are answered as they were then, when no
// model server could be reached.
func TestRecordedChats(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/captured/ui-authored.json")
	if err != nil {
		t.Fatal(err)
	}
	var recording struct {
		Exchanges []struct {
			Request struct {
				Method, Path string
				Body         json.RawMessage
			}
			Response struct {
				Status int
				Body   any
			}
		}
	}
	if err := json.Unmarshal(raw, &recording); err != nil {
		t.Fatal(err)
	}
	chats := 0
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleOwner, nil)
		defer s.close()
		sent := ""
		for _, x := range recording.Exchanges {
			if x.Request.Path != "/api/openrouter/stream" {
				continue
			}
			chats++
			chat := string(x.Request.Body)
			s.upstream = func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				sent = string(text)
				whole(w, r)
			}
			if got := s.send(chat); got.status != 200 || sent != chat {
				t.Errorf("%.200s went on as %.200s", chat, sent)
			}
			s.upstream = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
			if got := s.send(chat); got.status != x.Response.Status || got.text != x.Response.Body {
				t.Errorf("not reached: %+v, recorded are %+v", got, x.Response)
			}
		}
	})
	if chats == 0 {
		t.Error("there are no recorded chats")
	}
}

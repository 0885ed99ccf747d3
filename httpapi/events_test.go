package httpapi

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// events parses a stream as a browser does (HTML Standard, §9.2.6).
func events(text string) (out [][3]string) {
	var id, name string
	var data []string
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" {
			if data != nil {
				out = append(out, [3]string{id, name, strings.Join(data, "\n")})
			}
			name, data = "", nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "event":
			name = value
		case "data":
			data = append(data, value)
		}
	}
	return out
}

func TestEventStream(t *testing.T) {
	w := httptest.NewRecorder()
	s := NewEventStream(w, time.Second)
	s.Greet(1500 * time.Millisecond)
	s.Event("7", "version", []byte(`{"a":1}`))
	if w.Body.Len() != 0 {
		t.Error("sent before Send")
	}
	if err := s.Send(); err != nil {
		t.Fatal(err)
	}
	s.Comment("ping")
	if err := s.Send(); err != nil {
		t.Fatal(err)
	}
	want := ": hello\nretry: 1500\n\nid: 7\nevent: version\ndata: {\"a\":1}\n\n: ping\n\n"
	if got := w.Body.String(); got != want || !w.Flushed {
		t.Errorf("%q", got)
	}
	if h := w.Header(); h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-cache, no-transform" || h.Get("X-Accel-Buffering") != "no" {
		t.Error(h)
	}
}

// FuzzEventStream checks that, whatever is sent, a client sees exactly this one event.
func FuzzEventStream(f *testing.F) {
	f.Add("1", "delta", "one\ntwo")
	f.Add("", "", "")
	f.Add("1\ndata: forged", "a\r\n\r\nevent: forged", "x\r\rdata: y\n\nid: 9\n")
	f.Fuzz(func(t *testing.T, id, name, data string) {
		w := httptest.NewRecorder()
		s := NewEventStream(w, time.Second)
		s.Comment(name)
		s.Event(id, name, []byte(data))
		if err := s.Send(); err != nil {
			t.Fatal(err)
		}
		want := [3]string{firstLine(id), firstLine(name), strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)}
		if got := events(w.Body.String()); len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, want %q", w.Body, got, want)
		}
	})
}

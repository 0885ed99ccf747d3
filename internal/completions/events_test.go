package completions

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// all reads an answer to its end, byte by byte.
func all(text string) (content, reasoning, usage string, err error) {
	e := NewEvents(iotest.OneByteReader(strings.NewReader(text)))
	for {
		event, err := e.Next()
		content, reasoning = content+event.Content, reasoning+event.Reasoning
		if event.Usage != nil {
			usage = string(event.Usage)
		}
		if err != nil {
			return content, reasoning, usage, err
		}
	}
}

func TestEvents(t *testing.T) {
	const hello = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"
	for name, c := range map[string]struct {
		text, content, reasoning, usage string
		err                             error
	}{
		"a usual one": {": OPENROUTER PROCESSING\n\n" + hello + "data:{\"choices\":[{\"delta\":{\"content\":\" you\",\"reasoning\":null}}]}\r\n\r\n" +
			"data: {\"choices\":[],\"usage\":{\"total_tokens\":7}}\n\ndata: [DONE]\n\n", "Hello you", "", `{"total_tokens":7}`, io.EOF},
		"thoughts of OpenRouter": {"data: {\"choices\":[{\"delta\":{\"reasoning\":\"Hm\"}}]}\n\n" + hello + "data: [DONE]\n\n", "Hello", "Hm", "", io.EOF},
		"thoughts of vLLM":       {"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"Hm\"}}]}\n\ndata: [DONE]", "", "Hm", "", io.EOF},
		"an end that only the reason tells": {
			hello + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", "Hello", "", "", io.EOF},
		"cut between events":     {hello, "Hello", "", "", ErrCut},
		"cut within an event":    {hello + "data: {\"choices\":[{\"del", "Hello", "", "", ErrEvent},
		"a page":                 {"<html>\ndata: <p>\n", "", "", "", ErrEvent},
		"no UTF-8":               {"data: {\"choices\":[{\"delta\":{\"content\":\"a\xffb\"}}]}\n\ndata: [DONE]\n\n", "a\uFFFDb", "", "", io.EOF},
		"half of a character":    {"data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\ndata: [DONE]\n\n", "a\uFFFD", "", "", io.EOF},
		"a fault in the middle":  {hello + "data: {\"error\":{\"message\":\"overloaded\",\"code\":502},\"choices\":[]}\n\n", "Hello", "", "", Fault("overloaded")},
		"a fault without a text": {"data: {\"error\":{\"code\":502}}\n\n", "", "", "", Fault("the answer has failed")},
		"a call":                 {"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n", "", "", "", ErrCalls},
		"an endless line":        {"data: " + strings.Repeat("x", 2*maxEvent), "", "", "", ErrEvent},
	} {
		t.Run(name, func(t *testing.T) {
			content, reasoning, usage, err := all(c.text)
			if content != c.content || reasoning != c.reasoning || usage != c.usage || !errors.Is(err, c.err) {
				t.Errorf("%q, %q, %q, %v", content, reasoning, usage, err)
			}
		})
	}
}

// What says how an answer is to be made without the client stays between client and server.
func TestRequestsOfBackgroundAnswers(t *testing.T) {
	r, err := Read([]byte(`{"model":"m","_background":true,"_threadId":"t","_messageId":"\u0061","_backgroundAdmissionId":"x","_history":{"version":1},"tools":[]}`))
	if err != nil || !r.Background || r.ThreadID != "t" || r.MessageID != "a" || r.AdmissionID != "x" || string(r.History) != `{"version":1}` || r.Tools {
		t.Errorf("%+v, %v", r, err)
	}
	body := r.Body("m")
	if text := string(body.Bytes()); text != `{"model":"m","tools":[]}` || int64(len(text)) != body.Size() {
		t.Errorf("the model is asked %s", text)
	}
	r, err = Read([]byte(`{"_threadId":1,"_history":[],"tools":[ {"type":"web"} ]}`))
	if err != nil || r.ThreadID != "" || r.History != nil || !r.Tools {
		t.Errorf("%+v, %v", r, err)
	}
}

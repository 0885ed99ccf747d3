package completions

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// all reads an answer to its end, byte by byte.
func all(text string) (content, reasoning, usage string, err error) {
	e := NewEvents(iotest.OneByteReader(strings.NewReader(text)), NoTools)
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
		"cut within an event":    {hello + "data: {\"choices\":[{\"del", "Hello", "", "", ErrCut},
		"a page":                 {"<html>\ndata: <p>\n", "", "", "", ErrEvent},
		"no UTF-8":               {"data: {\"choices\":[{\"delta\":{\"content\":\"a\xffb\"}}]}\n\ndata: [DONE]\n\n", "a\uFFFDb", "", "", io.EOF},
		"half of a character":    {"data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\ndata: [DONE]\n\n", "a\uFFFD", "", "", io.EOF},
		"a fault in the middle":  {hello + "data: {\"error\":{\"message\":\"overloaded\",\"code\":502},\"choices\":[]}\n\n", "Hello", "", "", Fault("overloaded")},
		"a fault without a text": {"data: {\"error\":{\"code\":502}}\n\n", "", "", "", Fault("the answer has failed")},
		"a call":                 {"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n", "", "", "", ErrCalls},
		"lines that end with CR": {strings.ReplaceAll(hello+hello+"data: [DONE]\n\n", "\n", "\r"), "HelloHello", "", "", io.EOF},
		"lines that end with both": {
			strings.ReplaceAll(hello+hello+"data: [DONE]\n\n", "\n", "\r\n"), "HelloHello", "", "", io.EOF},
		"a mark of the byte order": {"\uFEFF" + hello + "data: [DONE]\n\n", "Hello", "", "", io.EOF},
		"an event in several lines": {
			"data: {\"choices\":\ndata\nid: 1\ndata: [{\"delta\":\ndata:{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n", "a", "", "", io.EOF},
		"lines that make no event":        {"data: {\"choices\":\ndata: x\n\n", "", "", "", ErrEvent},
		"cut within the lines of one":     {hello + "data: {\"choices\":\ndata: [", "Hello", "", "", ErrCut},
		"lines without end":               {"data: {\n" + strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 2*maxEvent/1000), "", "", "", ErrEvent},
		"no blank lines":                  {strings.ReplaceAll(hello+hello+"data: [DONE]\n\n", "\n\n", "\n"), "HelloHello", "", "", io.EOF},
		"comments alone":                  {strings.Repeat(": OPENROUTER PROCESSING\n\n", 10), "", "", "", ErrCut},
		"nothing":                         {"", "", "", "", ErrCut},
		"no end but the reason, then cut": {"data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: {", "", "", "", ErrCut},
		"a fault of Ollama":               {hello + "data: {\"error\":\"model not found\"}\n\n", "Hello", "", "", Fault("model not found")},
		"a fault of another kind":         {"data: {\"error\":true}\n\n", "", "", "", errFailed},
		"a fault that the reason tells":   {hello + "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"error\"}]}\n\n", "Hello", "", "", errFailed},
		"no fault":                        {"data: {\"error\":null}\n\ndata: [DONE]\n\n", "", "", "", io.EOF},
		"parts": {"data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\"},7],\"reasoning\":null," +
			"\"reasoning_details\":[{\"summary\":\"Hm\"}]}}]}\n\ndata: [DONE]\n\n", "a", "Hm", "", io.EOF},
		"a whole message": {"data: {\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n", "a", "", "", io.EOF},
		"members of other kinds": {
			"data: {\"choices\":[{\"delta\":{\"content\":7,\"text\":{},\"reasoning\":true,\"tool_calls\":null},\"finish_reason\":null}],\"usage\":[]}\n\ndata: [DONE]\n\n",
			"", "", "", io.EOF},
		"a usage that is none": {
			"data: {\"usage\":{\"x\":\"" + strings.Repeat("x", maxUsage) + "\"}}\n\ndata: {\"usage\":{\"x\":" + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}}\n\ndata: [DONE]\n\n",
			"", "", "", io.EOF},
		"a usage without UTF-8": {"data: {\"usage\":{\"x\":\"\xff\"}}\n\ndata: [DONE]\n\n", "", "", "{\"x\":\"\uFFFD\"}", io.EOF},
		"an endless line":       {"data: " + strings.Repeat("x", 2*maxEvent), "", "", "", ErrEvent},
	} {
		t.Run(name, func(t *testing.T) {
			content, reasoning, usage, err := all(c.text)
			if content != c.content || reasoning != c.reasoning || usage != c.usage || !errors.Is(err, c.err) {
				t.Errorf("%q, %q, %q, %v", content, reasoning, usage, err)
			}
		})
	}
}

// Members that tell the server how to make an answer without the client must not reach the upstream.
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

// However a stream is cut into pieces, and whatever its line breaks, the answer is the same, in well-formed text.
func FuzzEvents(f *testing.F) {
	f.Add("data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\xff\"}}],\"usage\":{\"x\":1}}\n\n: x\n\ndata: [DONE]\n\n")
	f.Add("\uFEFFdata: {\"choices\":\ndata: [{\"delta\":{\"content\":[{\"text\":\"a\"}],\"reasoning_details\":[{\"summary\":\"b\"}]}}]}\n\n")
	f.Add("data: {\"error\":{\"message\":\"x\"}}\n\ndata: {\"error\":\"x\"}\n\n")
	f.Add("data: {\n\n\r\rdata:\ndata: [DONE]")
	f.Fuzz(func(t *testing.T, in string) {
		type result struct{ content, reasoning, usage, err string }
		read := func(r io.Reader) (out result) {
			e := NewEvents(r, NoTools)
			for {
				event, err := e.Next()
				if !utf8.ValidString(event.Content+event.Reasoning+string(event.Usage)) || event.Usage != nil && !json.Valid(event.Usage) {
					t.Fatalf("%q: %+v", in, event)
				}
				out.content, out.reasoning, out.usage = out.content+event.Content, out.reasoning+event.Reasoning, out.usage+string(event.Usage)
				if err != nil {
					out.err = err.Error()
					return out
				}
			}
		}
		want := read(strings.NewReader(in))
		if got := read(iotest.OneByteReader(strings.NewReader(in))); got != want {
			t.Errorf("%q byte by byte: %+v, at once %+v", in, got, want)
		}
		if strings.Contains(in, "\r") {
			return
		}
		for _, end := range []string{"\r", "\r\n"} {
			if got := read(iotest.HalfReader(strings.NewReader(strings.ReplaceAll(in, "\n", end)))); got != want {
				t.Errorf("%q with lines that end with %q: %+v, with LF %+v", in, end, got, want)
			}
		}
	})
}

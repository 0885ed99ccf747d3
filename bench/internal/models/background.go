package models

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Reader requests background answers and reads them along.
type Reader struct {
	Addr, Workspace string
	// Header are further lines of the header, each with its end.
	Header string
}

var wishes atomic.Int64

// Read requests an answer to a chat, reads it to its end, and returns how long its first word took.
func (r *Reader) Read(body []byte) (time.Duration, error) {
	wish := fmt.Sprintf("w%d", wishes.Add(1))
	message := func(id, role string) string {
		return fmt.Sprintf(`{"id":"%s","thread_id":"t-%s","role":"%s","clock":1,"data":{"content":""}}`, id, wish, role)
	}
	history := fmt.Sprintf(`{"version":1,"kind":"new-turn","admissionId":"%[1]s","generationId":"g-%[1]s","workspaceId":"%[2]s","threadId":"t-%[1]s","messageId":"a-%[1]s",`+
		`"thread":{"id":"t-%[1]s","clock":1},"userMessage":%[3]s,"assistantMessage":%[4]s}`, wish, r.Workspace, message("u-"+wish, "user"), message("a-"+wish, "assistant"))
	body = bytes.Replace(body, []byte(`"_threadId":"t"`), fmt.Appendf(nil,
		`"_background":true,"_threadId":"t-%[1]s","_messageId":"a-%[1]s","_backgroundAdmissionId":"%[1]s","_history":%[2]s`, wish, history), 1)
	start := time.Now()
	begun, err := r.send("POST /api/openrouter/stream", body)
	if err != nil {
		return 0, err
	}
	defer begun.Close()
	var job struct{ JobID string }
	if err := json.NewDecoder(begun.Body).Decode(&job); err != nil || begun.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("a start: %d %v", begun.StatusCode, err)
	}
	stream, err := r.send("GET /api/jobs/"+job.JobID+"/stream", nil)
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	var first time.Duration
	in := bufio.NewReader(stream.Body)
	for {
		line, err := in.ReadSlice('\n')
		for err == bufio.ErrBufferFull { // the last event has all of the answer
			line, err = in.ReadSlice('\n')
			line = line[:0]
		}
		if err != nil {
			return 0, fmt.Errorf("the stream of a job: %d %w", stream.StatusCode, err)
		}
		if first == 0 && !bytes.Contains(line, []byte(`"content_length":0`)) && bytes.Contains(line, []byte(`"content_length"`)) {
			first = time.Since(start)
		}
		if bytes.HasPrefix(line, []byte(`data: {"event":"status"`)) || len(line) == 0 {
			return first, nil
		}
	}
}

type exchange struct {
	*http.Response
	asker *Asker
}

func (x *exchange) Close() { x.asker.Close() }

func (r *Reader) send(line string, body []byte) (*exchange, error) {
	method, path, _ := strings.Cut(line, " ")
	a := &Asker{Addr: r.Addr, Path: path, Header: r.Header}
	res, err := a.send(method, body)
	if err != nil {
		a.Close()
		return nil, err
	}
	return &exchange{res, a}, nil
}

// Package recorded reads the recorded traffic of the real client in testdata/captured. It is for tests only.
package recorded

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	or3cloud "or3.chat/cloud"
)

// Pushes returns the bodies of all recorded pushes, exactly as sent, in the order of the recordings.
func Pushes(tb testing.TB) [][]byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(captured(tb), "push-corpus.jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// Ops returns the ops of all recorded pushes, without validation. It is independent of the server's parser.
func Ops(tb testing.TB) (ops []or3cloud.Op) {
	tb.Helper()
	for _, text := range Pushes(tb) {
		var body struct {
			Ops []struct {
				TableName, Operation, PK string
				Payload                  json.RawMessage
				Stamp                    or3cloud.Stamp
			}
		}
		if err := json.Unmarshal(text, &body); err != nil {
			tb.Fatal(err)
		}
		for _, o := range body.Ops {
			ops = append(ops, or3cloud.Op{
				Table: o.TableName, Operation: or3cloud.Operation(o.Operation), PK: o.PK, Payload: o.Payload, Stamp: o.Stamp,
			})
		}
	}
	return ops
}

// Exchange is a recorded request with its answer. Bodies are JSON, or nil for what had none or was none.
type Exchange struct {
	Scenario, Method, Path string
	Request                json.RawMessage
	Status                 int
	Answer                 json.RawMessage
}

// Exchanges returns all recorded requests with their answers, in the order of the recordings.
func Exchanges(tb testing.TB) (all []Exchange) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(captured(tb), "*.json"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		var in struct {
			Scenario  string
			Exchanges []struct {
				Step    string
				Request struct {
					Method, Path string
					Body         json.RawMessage
				}
				Response struct {
					Status int
					Body   json.RawMessage
				}
			}
		}
		if err := json.Unmarshal(text, &in); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		for _, e := range in.Exchanges {
			if e.Step == "" {
				all = append(all, Exchange{in.Scenario, e.Request.Method, e.Request.Path, whole(e.Request.Body), e.Response.Status, whole(e.Response.Body)})
			}
		}
	}
	return all
}

// whole returns a recorded body as it was, but for what the recording has cut out of long lists.
func whole(body json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil { // a list, or a text that was none
		if len(body) > 0 && body[0] == '[' {
			return body
		}
		return nil
	}
	if members["$binary"] != nil || members == nil {
		return nil
	}
	if members[trimmed] == nil {
		return body
	}
	delete(members, trimmed)
	body, _ = json.Marshal(members)
	return body
}

// trimmed marks an object with a list of which the recording has only the first entries.
const trimmed = "$trimmed_from"

func captured(tb testing.TB) string {
	tb.Helper()
	dir, err := Root()
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, "testdata", "captured")
}

// Root returns the folder of the module that the test belongs to.
func Root() (string, error) {
	dir, err := filepath.Abs(".")
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

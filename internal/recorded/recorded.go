// Package recorded reads the recorded traffic of the real client in testdata/captured. It is for tests only.
package recorded

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	or3cloud "or3.chat/cloud"
)

// Pushes returns the bodies of all recorded pushes, exactly as sent, in the order of the recordings.
func Pushes(tb testing.TB) [][]byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(root(tb), "testdata", "captured", "push-corpus.jsonl"))
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

// root returns the root folder of the test's module.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := filepath.Abs(".")
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	tb.Fatalf("no go.mod above the test: %v", err)
	return ""
}

package syncwire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/recorded"
	"or3.chat/cloud/syncrule"
)

// batches returns pushes of n ops each, made of the recorded ops as clients sent them.
func batches(tb testing.TB, n int) (bodies [][]byte) {
	tb.Helper()
	var ops [][]byte
	for _, body := range recorded.Pushes(tb) {
		_, list, _ := bytes.Cut(body, []byte(`"ops":`))
		d := jsontext.NewDecoder(bytes.NewReader(list), options)
		if _, err := d.ReadToken(); err != nil {
			tb.Fatal(err)
		}
		for d.PeekKind() != ']' {
			op, err := d.ReadValue()
			if err != nil {
				tb.Fatal(err)
			}
			ops = append(ops, op.Clone())
		}
	}
	for ; len(ops) >= n; ops = ops[n:] {
		body := `{"scope":{"workspaceId":"4f721155-29b0-4f1c-8915-14d32ca815ec"},"ops":[`
		bodies = append(bodies, fmt.Appendf(nil, "%s%s]}", body, bytes.Join(ops[:n], []byte(","))))
	}
	return bodies
}

// BenchmarkPush measures what happens to each push before it reaches the writer: decoding, judging each op, and
// computing its fingerprint. The time of one iteration is an op's share.
func BenchmarkPush(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		bodies := batches(b, n)
		size := 0
		for _, body := range bodies {
			size += len(body)
		}
		run := func(stage string, f func(body []byte)) {
			b.Run(fmt.Sprintf("ops=%d/%s", n, stage), func(b *testing.B) {
				b.SetBytes(int64(size / len(bodies) / n))
				b.ReportAllocs()
				for i := 0; i < b.N; i += n {
					f(bodies[i/n%len(bodies)])
				}
			})
		}
		decode := func(body []byte) Push {
			in, err := DecodePush(body)
			if err != nil {
				b.Fatal(err)
			}
			return in
		}
		judge := func(in Push) []or3cloud.Op {
			valid, _ := in.Judge(make([]or3cloud.OpResult, n))
			if len(valid) != n {
				b.Fatal("a recorded op was refused")
			}
			return valid
		}
		run("decode", func(body []byte) { decode(body) })
		run("decode+judge", func(body []byte) { judge(decode(body)) })
		run("decode+judge+fingerprint", func(body []byte) {
			valid := judge(decode(body))
			for i := range valid {
				syncrule.Fingerprint(&valid[i])
			}
		})
	}
}

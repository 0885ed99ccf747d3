package syncapi

import (
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/recorded"
	"or3.chat/cloud/syncwire"
)

func BenchmarkEncodePull(b *testing.B) {
	var changes []or3cloud.Change
	for _, body := range recorded.Pushes(b)[:100] {
		in, err := syncwire.DecodePush(body)
		if err != nil {
			b.Fatal(err)
		}
		for _, op := range in.Ops {
			changes = append(changes, or3cloud.Change{
				ServerVersion: int64(len(changes) + 1), Table: op.Table, PK: op.PK, Operation: op.Operation, Payload: op.Payload, Stamp: op.Stamp,
			})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		enc := pageEncoder{answer: begun(syncwire.PullBegin)}
		for i := range changes {
			_ = enc.change(&changes[i])
		}
		enc.text = syncwire.AppendPullEnd(enc.text, or3cloud.PullPage{NextCursor: 1})
		enc.free()
	}
}

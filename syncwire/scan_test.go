package syncwire

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/recorded"
	"or3.chat/cloud/internal/syncschema"
)

// judged is a push, as far as it matters to the sync engine and the client.
type judged struct {
	Scope          Scope
	WorkspaceItems bool
	Valid          []or3cloud.Op
	Places         []int
	Results        []or3cloud.OpResult
}

func judge(in Push) judged {
	out := judged{Scope: in.Scope, WorkspaceItems: in.WorkspaceItems, Results: make([]or3cloud.OpResult, len(in.Ops))}
	out.Valid, out.Places = in.Judge(out.Results)
	return out
}

// checkScan compares the scanner with the decoder, and reports whether the scanner accepted the text.
func checkScan(t *testing.T, body []byte) bool {
	t.Helper()
	if !syncschema.Valid(body) {
		return false
	}
	sent := bytes.Clone(body)
	got, taken := scanPush(sent)
	if !taken {
		return false
	}
	want, err := decodePush(bytes.Clone(body), true)
	if err != nil {
		t.Fatalf("%s: taken, although %v", body, err)
	}
	if want, got := judge(want), judge(got); !reflect.DeepEqual(want, got) {
		t.Errorf("%s: %s", body, cmp.Diff(want, got))
	}
	if !bytes.Equal(sent, body) {
		t.Errorf("%s was changed", body)
	}
	return true
}

// The scanner must accept all pushes that clients were recorded to send, and read them like the decoder.
func TestScanTheRecordedPushes(t *testing.T) {
	for _, body := range recorded.Pushes(t) {
		if !checkScan(t, body) {
			t.Errorf("left to the decoder: %.300s", body)
		}
	}
	for _, body := range batches(t, 50) {
		if !checkScan(t, body) {
			t.Errorf("left to the decoder: %.300s", body)
		}
	}
}

// taken are pushes in the clients' form. left are others, most of them valid.
var (
	taken = []string{
		aPush,
		aPushOf(``),
		aPushOf(anOp + `,` + strings.Replace(anOp, `"put"`, `"delete"`, 1)),
		aPushOf(strings.Replace(anOp, `"value":"v"`, `"value":"\ud83d \"\\\/\b\f\n\r\t\u0000 ä€𝄞","x":[1,-0,1.5e-7,{"\u0061":[]},true,false,null,{}]`, 1)),
		aPushOf(strings.Replace(anOp, `{"id":"kv:1"`, `{"id":"other","id":"kv:1"`, 1)),
		aPushOf(strings.Replace(anOp, `"kv:1","payload"`, `"\"\ud83d","payload"`, 1)),
		aPushOf(strings.TrimSuffix(strings.Replace(anOp, `"tableName":"kv",`, ``, 1), `}`) + `,"tableName":"kv"}`),
		aPushOf(strings.Replace(anOp, `"kv"`, `"users"`, 1)),
		aPushOf(strings.Replace(anOp, `"v"`, strings.Repeat("[", 99)+strings.Repeat("]", 99), 1)),
		aPushOf(strings.Replace(anOp, `"clock":1}`, `"clock":1e3,"x":{"clock":7}}`, 2)),
		`{"fileKindCapability":"v1","workspaceItemCapability":"v1","scope":{"projectId":"p","x":[],"workspaceId":"ws"},"x":{},"ops":[{"stamp":{"opId":"x"}}]}`,
		aPushOf(`{"operation":"delete","payload":null,"stamp":{"opId":"x"}},{"payload":[],"id":"x","attempts":3,"stamp":{"opId":"` + anID + `"}}`),
		`{"scope":{"workspaceId":"a"},"scope":{"projectId":"p"},"ops":[]}`,
		`{"scope":{"workspaceId":"a","workspaceId":"b"},"ops":[` + anOp + `],"workspaceItemCapability":"v1","workspaceItemCapability":"v1"}`,
		aPushOf(strings.Replace(anOp, `"pk":"kv:1"`, `"pk":"a","pk":"kv:1"`, 1)),
		aPushOf(strings.Replace(anOp, `"stamp"`, `"stamp":{"hlc":"h","x":1},"stamp"`, 1)),
		aPushOf(strings.TrimSuffix(anOp, `}`) + `,"stamp":{"hlc":"h"}}`),
		aPushOf(strings.Replace(anOp, `"stamp"`, `"tableName":"posts","stamp"`, 1)),
	}
	left = []string{
		``, `null`, `[]`, `{}`, `{`, `{"ops":[`, `{"ops":[]}`, `{"ops":[{"payload":`, `{"scope":{"workspaceId":" "},"ops":[]}`, ` ` + aPush, aPush + "\n", aPush + `{}`, aPush[:len(aPush)-1],
		`{"scope":{"workspaceId":"a"},"ops":[{}],"ops":[]}`, `{"scope":{"workspaceId":"a","projectId":null},"ops":[]}`,
		`{"scope":{"workspaceId":"a"},"ops":null}`, `{"scope":null,"ops":[]}`, `{"scope":{"workspaceId":"a"},"ops":{}}`,
		`{"workspaceItemCapability":null,"scope":{"workspaceId":"a"},"ops":[]}`, `{"workspaceItemCapability":"v2","scope":{"workspaceId":"a"},"ops":[]}`,
		strings.Replace(aPush, `"ops"`, `"o\u0070s"`, 1),
		aPushOf(`null`), aPushOf(`7`), aPushOf(`{},`), aPushOf(`{"pk":7}`), aPushOf(`{"stamp":[]}`), aPushOf(`{"stamp":{"clock":"1"}}`),
		aPushOf(strings.Repeat(`{"stamp":{"opId":"x"}},`, MaxOps) + `{"stamp":{"opId":"x"}}`), aPushOf(`{}`), aPushOf(`{"stamp":{"opId":""}}`),
		aPushOf(strings.Replace(anOp, `"stamp"`, `"payload":null,"stamp"`, 1)), aPushOf(strings.Replace(anOp, `"payload"`, `"payload":7,"payload"`, 1)),
		aPushOf(strings.Replace(anOp, `"stamp"`, `"payload":{"id":"kv:1"},"stamp"`, 1)),
		aPushOf(strings.Replace(anOp, `"name":"1"`, `"name":7,"n\u0061me":"1"`, 1)),
		aPushOf(strings.Replace(anOp, `"clock":1}`, `"clock":1.5}`, 2)),
		aPushOf(strings.Replace(anOp, `"v"`, strings.Repeat("[", 100)+strings.Repeat("]", 100), 1)),
		aPushOf(strings.Replace(anOp, `"v"`, `01`, 1)), aPushOf(strings.Replace(anOp, `"v"`, `"\x"`, 1)), aPushOf(strings.Replace(anOp, `"v"`, "\"\n\"", 1)),
		aPushOf(strings.Replace(anOp, `"v"`, `"\u12g4"`, 1)), aPushOf(strings.Replace(anOp, `"v"`, `[1,]`, 1)), aPushOf(strings.Replace(anOp, `"v"`, `tru`, 1)),
		aPushOf(strings.Replace(anOp, `"v"`, "\"\xff\"", 1)),
	}
)

func aPushOf(ops string) string { return `{"scope":{"workspaceId":"ws"},"ops":[` + ops + `]}` }

func TestScan(t *testing.T) {
	for _, body := range taken {
		if !checkScan(t, []byte(body)) {
			t.Errorf("left to the decoder: %.300s", body)
		}
	}
	for _, body := range left {
		if checkScan(t, []byte(body)) {
			t.Errorf("not left to the decoder: %.300s", body)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, body := range taken {
		f.Add([]byte(body))
	}
	for _, body := range left {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkScan(t, body) })
}

// Recorded pushes with a byte or two wrong, duplicated or missing, as the fuzzer would produce them given time.
func TestScanDamagedPushes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const signs = "{}[]\",:\\ute0159.-+ \n\x00\x1f\x7f\x80\xc3\xa9"
	read := 0
	for _, body := range recorded.Pushes(t) {
		if len(body) > 4<<10 {
			continue
		}
		for range 5 {
			damaged := bytes.Clone(body)
			for range 1 + random.IntN(2) {
				at := random.IntN(len(damaged))
				sign := signs[random.IntN(len(signs))]
				switch random.IntN(4) {
				case 0:
					damaged[at] = sign
				case 1:
					damaged = slices.Insert(damaged, at, sign)
				case 2:
					damaged = slices.Delete(damaged, at, at+1)
				case 3:
					end := min(len(damaged), at+random.IntN(60))
					damaged = slices.Insert(damaged, at, damaged[at:end]...)
				}
			}
			if checkScan(t, damaged) {
				read++
			}
		}
	}
	if read < 500 {
		t.Errorf("only %d were read", read)
	}
}

package syncwire

import (
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"
)

// usualPulls are the clients' pulls, and texts that nearly look like them.
var usualPulls = []string{
	`{"scope":{"workspaceId":"ws_1"},"cursor":0,"limit":100}`,
	`{"scope":{"workspaceId":"0198c2f0-6a50-7b5e-8f3e-000000000001"},"cursor":1764381234567,"limit":300,` +
		`"tables":["threads","messages","projects","posts","kv","file_meta","notifications"],"fileKindCapability":"v1","workspaceItemCapability":"v1"}`,
	`{"limit":1,"cursor":999999999999999,"scope":{"workspaceId":""}}`,
	`{"tables":["kv"],"limit":1,"cursor":1,"scope":{"workspaceId":" "}}`,
	`{"cursor":5}`, `{"limit":5}`, `{"scope":{"workspaceId":"w"}}`, `{"fileKindCapability":"v2"}`, `{"tables":["kv","kv"]}`,
}

var otherPulls = []string{
	``, `{`, `{}`, `[]`, `null`, `{"cursor":5},`, `{"cursor":5}}`, `{"cursor":5}{}`, `{"cursor":5,}`, `{,"cursor":5}`, `{"cursor":}`, `{"cursor":-1}`, `{"cursor":01}`,
	`{"cursor":1.0}`, `{"cursor":9007199254740991}`, `{"cursor":1e3}`, `{"cursor":"1"}`, `{"cursor":null}`, `{"cursor":99007199254740991}`, `{"cursor":1,"cursor":2}`,
	`{"scope":{"workspaceId":"a"},"scope":{"workspaceId":"b"}}`, `{"scope":{}}`, `{"scope":{"workspaceId":null}}`, `{"scope":null}`,
	`{"scope":{"workspaceId":"a","workspaceId":"b"}}`, `{"scope":{"workspaceId":"a","projectId":"p"}}`, `{"scope":{"workspaceId":"a"`,
	`{"scope":{"workspaceId":"\u0061"}}`, `{"scope":{"workspaceId":"ä"}}`, "{\"scope\":{\"workspaceId\":\"\x00\"}}", `{"scope":{"workspaceId":"a}}`,
	`{"tables":[]}`, `{"tables":["x"]}`, `{"tables":["kv",]}`, `{"tables":["kv"`, `{"tables":null}`, `{"tables":["kv","kv","kv","kv","kv","kv","kv","kv"]}`,
	`{"fileKindCapability":null}`, `{"fileKindCapability":"v1","fileKindCapability":"v1"}`, `{"more":1}`, ` {"cursor":5}`, `{"cursor":5} `, `{"cursor" :5}`,
}

// Both ways of reading a pull must agree, or clients would get different answers to the same request in another form.
func sameAsGeneral(t *testing.T, text []byte) (usual bool) {
	t.Helper()
	var fast, general Pull
	if !fast.ReadUsual(text) {
		return false
	}
	if err := json.Unmarshal(text, &general, options); err != nil {
		t.Fatalf("%q is not JSON for the general decoder: %v", text, err)
	}
	general.cursor, general.limit = fast.cursor, fast.limit
	if !reflect.DeepEqual(fast, general) || fast.OK() != general.OK() {
		t.Errorf("%q is %+v, by the general decoder %+v", text, fast, general)
	}
	return true
}

func TestUsualPulls(t *testing.T) {
	for _, text := range usualPulls {
		if !sameAsGeneral(t, []byte(text)) {
			t.Errorf("%s is left to the general decoder", text)
		}
	}
	for _, text := range otherPulls {
		if sameAsGeneral(t, []byte(text)) {
			t.Errorf("%q is taken for a usual pull", text)
		}
	}
}

func FuzzUsualPull(f *testing.F) {
	for _, text := range usualPulls {
		f.Add([]byte(text))
	}
	for _, text := range otherPulls {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { sameAsGeneral(t, text) })
}

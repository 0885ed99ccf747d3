package syncschema

import "testing"

func TestWithoutStorageID(t *testing.T) {
	for in, want := range map[string]string{
		`{"hash":"h","storage_id":"s","clock":4,"storage_provider_id":"fs","name":"\ud83d"}`: `{"hash":"h","clock":5,"name":"\ud83d"}`,
		`{"storage_id":"s"}`: `{}`,
		`{ "a" : [1, 2] , "storage\u005fid":"s", "b":{} }`: `{"a":[1, 2],"b":{}}`,
		`{"storage_provider_id":"fs","x":"storage_id"}`:    `{"x":"storage_id"}`,
		`{"storage_id":null,"clock":4}`:                    ``,
		`{"storage_id":"","clock":4}`:                      ``,
		`{"hash":"h"}`:                                     ``,
		`{}`:                                               ``,
	} {
		got, found, err := WithoutStorageID([]byte(in), 5)
		if err != nil || found != (want != "") || found && string(got) != want || !found && string(got) != in {
			t.Errorf("%s: %s, %t, %v; want %s", in, got, found, err, want)
		}
	}
	for _, in := range []string{``, `{`, `{"storage_id":"s"`, `{"a"}`, `{"storage_id"`} {
		if got, _, err := WithoutStorageID([]byte(in), 5); err == nil {
			t.Errorf("%q: %s", in, got)
		}
	}
}

package answers

import (
	"testing"

	"or3.chat/cloud/jobs"
)

// The digest of a call is the one that clients make of it. The expected one is what Node.js has made of the same call.
func TestDigestOfACall(t *testing.T) {
	const definition = `{"type":"function","function":{"name":"look","x":[1.0,-0,1e21,1e-7,0.1,123456789012345680000,null,true],
		"10":1,"2":2,"-1":3,"01":4,"4294967295":5,"\ue000":6,"😀":7,"é":"\u2028\u0000\u001f\u007f\"\\/<>&","":{}}}`
	job := &jobs.Claimed{Job: jobs.Job{ID: "j", UserID: "u", WorkspaceID: "w", ThreadID: "t", MessageID: "m"}}
	got, err := digest(job, &record{ID: "c", Name: "look", Args: "{\"a\": \"ü\\n</b>\"}"}, []byte(definition))
	if want := "0e79ed88ab48da46b12b783420682d9506dfce6a773bc937861a3913d6769017"; err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

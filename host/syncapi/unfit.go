package syncapi

import (
	"fmt"
	"net/http"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/syncschema"
)

// unfit counts the rows that an answer leaves out because they would stop the devices that get them: rows from before
// ops were checked (contract, sync §10.5, Pitfall 15). The log line of the request reports them.
type unfit struct {
	n     int
	first string
}

// is reports whether a row must be left out, and counts it if so.
func (u *unfit) is(payload []byte, table, opID string) bool {
	why := syncschema.Unfit(payload)
	if why == "" {
		return false
	}
	if u.n++; u.n == 1 {
		u.first = fmt.Sprintf("%s, op %s: %s", table, opID, why)
	}
	return true
}

// report adds what was left out to the log line of a request.
func (u *unfit) report(r *http.Request) {
	if u.n > 0 {
		httpapi.RecordOf(r).Warning = fmt.Sprintf("left out %d rows that no client can take, the first in %s", u.n, u.first)
	}
}

// leaveOut takes winners that no client can take from the results of a push. The ops then look applied, which clients
// handle (contract, sync §10.3).
func (u *unfit) leaveOut(results []or3cloud.OpResult) {
	for i := range results {
		if w := results[i].Winner; w != nil && u.is(w.Payload, "the winner of op "+results[i].OpID, w.Revision.OpID) {
			results[i].Winner = nil
		}
	}
}

package load

import (
	"bytes"
	"encoding/json"
	"fmt"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/measure"
)

// Whole is one device that fetches a whole workspace in pages of 1,000 rows.
type Whole struct {
	measure.Work // of rows
	Server       measure.Meter
	Device       *client.Device
}

// Bootstrap pulls from the beginning of the log until n rows have come.
func (f *Whole) Bootstrap(n int) measure.Step {
	var cursor int64
	return f.fetch(n, func(first bool) (rows int, more bool, err error) {
		if first {
			cursor = 0
		}
		p, err := f.Device.Pull(client.PullBody(f.Device.Workspace, cursor, 1000))
		cursor = p.Cursor
		return p.Rows, p.More, err
	})
}

// Snapshot fetches pages of a snapshot until n rows have come.
func (f *Whole) Snapshot(n int) measure.Step {
	var token *string
	return f.fetch(n, func(first bool) (rows int, more bool, err error) {
		in := client.Object{"scope": client.Object{"workspaceId": f.Device.Workspace}, "pageSize": 1000}
		if !first {
			in["pageToken"] = token
		}
		body, err := json.Marshal(in)
		if err != nil {
			return 0, false, err
		}
		answer, err := f.Device.Do("POST", "/api/sync/snapshot", body)
		if err != nil {
			return 0, false, err
		}
		rows = bytes.Count(answer, []byte(`{"kind":"row","tableName":`)) + bytes.Count(answer, []byte(`{"kind":"tombstone","tableName":`))
		end := bytes.LastIndex(answer, []byte(`"nextPageToken":`))
		if end < 0 {
			return 0, false, fmt.Errorf("no page: %.300s", answer)
		}
		token = nil
		err = json.NewDecoder(bytes.NewReader(answer[end+len(`"nextPageToken":`):])).Decode(&token)
		return rows, token != nil, err
	})
}

// fetch fetches pages until n rows have come.
func (f *Whole) fetch(n int, page func(first bool) (rows int, more bool, err error)) measure.Step {
	return measure.Step{Run: func() error {
		return f.Do(f.Server, 1, 1, n, func(int, int) error {
			for first, got := true, 0; got < n; first = false {
				rows, more, err := page(first)
				if err != nil {
					return err
				}
				if got += rows; !more && got < n {
					return fmt.Errorf("the workspace has %d rows only, want %d", got, n)
				}
			}
			return nil
		})
	}}
}

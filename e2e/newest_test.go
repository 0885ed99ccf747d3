package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// newestRows are rows that only the newest client writes (contract, sync §10.10), by table and primary key, without the
// members that every row of their table has.
func newestRows() map[string]map[string]obj {
	item := []obj{{"key": "or3.workspace-item", "value": obj{"version": 1}}}
	meta := func(v any) string {
		text, _ := json.Marshal(v) // plain values cannot fail
		return string(text)
	}
	post := func(kind, content string, more obj) obj {
		row := obj{"title": "t", "content": content, "post_type": kind, "file_hashes": nil}
		maps.Copy(row, more)
		return row
	}
	hash := "sha256:" + strings.Repeat("ab", 32)
	thread := func(more obj) obj {
		row := obj{"title": nil, "status": "ready", "pinned": false, "forked": true, "parent_thread_id": "parent"}
		maps.Copy(row, more)
		return row
	}
	return map[string]map[string]obj{
		"posts": {
			"file":                 post("or3:file", "", obj{"meta": obj{"or3.workspace-item": obj{"kind": "file"}}, "file_hashes": meta([]string{hash})}),
			"project-settings-p":   post("or3:project-settings", "{}", obj{"meta": meta(item)}),
			"memory":               post("or3:project-memory", "remember", obj{"meta": meta(item)}),
			"source":               post("or3:project-source", "", obj{"meta": meta(item), "file_hashes": meta([]string{hash})}),
			"revision":             post("or3:document-revision", meta(obj{"chunks": []string{"chunk"}}), nil),
			"chunk":                post("or3:document-revision-chunk", strings.Repeat("c", 300<<10), nil),
			"a kind of the future": post("or3:something-else", "", nil),
		},
		"projects":  {"p": {"name": "P", "data": []obj{{"kind": "file", "id": "file"}, {"kind": "chat", "id": "reference"}}}},
		"file_meta": {hash: {"name": "any.zip", "kind": "file", "mime_type": "application/zip", "size_bytes": 0, "storage_id": nil}},
		"messages": {
			"compaction": {"thread_id": "compacted", "role": "system", "order_key": "k", "index": 1, "data": obj{"compaction": true}},
			"large":      {"thread_id": "compacted", "role": "assistant", "order_key": "l", "index": 2, "data": obj{"content": strings.Repeat("m", 255<<10)}},
		},
		"threads": {
			"reference": thread(obj{"branch_mode": "reference", "fork_reason": "manual", "root_thread_id": "root"}),
			"copy":      thread(obj{"branch_mode": "copy", "fork_reason": "retry", "root_thread_id": nil}),
			"compacted": thread(obj{"branch_mode": "compacted", "fork_reason": "compaction", "summary_message_id": "compaction"}),
		},
	}
}

// TestContentOfTheNewestClient pushes what only the newest client writes, with its capability fields and op states, and
// gets every row back as it was sent, by pull and by snapshot. None of it may be refused (contract, sync §10.9, §10.10,
// and the README's table of the minimum).
func TestContentOfTheNewestClient(t *testing.T) {
	t.Parallel()
	d := newDevice(t, startServer(t), "A")
	workspace := d.register("newest@example.test").Workspace.ID
	session := d.call("GET", "/api/auth/session", nil)
	var top map[string]any
	session.decode(t, &top)
	if top["appAccessAllowed"] != true || top["workspaceItemCapability"] != "v1" {
		t.Errorf("the client hides Files, Trash and Projects: %s", session)
	}

	sent := map[string]string{}
	body := obj{"scope": scope{workspace}, "fileKindCapability": "v1", "workspaceItemCapability": "v1"}
	var ops []obj
	rows := newestRows()
	for _, table := range slices.Sorted(maps.Keys(rows)) {
		for _, pk := range slices.Sorted(maps.Keys(rows[table])) {
			o := newOp(table, pk)
			key := "id"
			if table == "file_meta" {
				key = "hash"
			}
			row := obj{key: pk, "deleted": false, "created_at": 1771000000, "updated_at": 1771000000, "clock": 1, "op_id": o.Stamp.OpID}
			maps.Copy(row, rows[table][pk])
			sent[table+"/"+pk] = string(encode(t, row))
			ops = append(ops, obj{
				"id": o.ID, "tableName": table, "operation": "put", "pk": pk, "payload": row, "createdAt": int64(1771000000000), "attempts": 1,
				"stamp": stamp{o.Stamp.DeviceID, o.Stamp.OpID, o.Stamp.HLC, 1}, "status": "retry_wait", "lastErrorDetails": obj{"a": 1},
			})
		}
	}
	body["ops"] = ops
	r := d.post("/api/sync/push", body)
	var results struct {
		Results []struct {
			OpID    string
			Success bool
			Error   string
		}
	}
	r.decode(t, &results)
	if r.status != 200 || len(results.Results) != len(ops) {
		t.Fatalf("push: %s", r)
	}
	for i, result := range results.Results {
		if !result.Success {
			t.Errorf("%s/%s is refused: %s", ops[i]["tableName"], ops[i]["pk"], result.Error)
		}
	}

	same := func(way string, got map[string]string) {
		t.Helper()
		for key, want := range sent {
			if got[key] == "" {
				t.Errorf("%s: %s is missing", way, key)
				continue
			}
			if string(encode(t, asJSON(json.RawMessage(got[key])))) != string(encode(t, asJSON(json.RawMessage(want)))) {
				t.Errorf("%s: %s came as %.300s, was sent as %.300s", way, key, got[key], want)
			}
		}
	}
	for way, fields := range map[string]obj{
		"a newest client": {"fileKindCapability": "v1", "workspaceItemCapability": "v1"},
		"an older one":    {},
	} {
		pull := obj{"scope": scope{workspace}, "cursor": 0, "limit": 300, "tables": allTables}
		maps.Copy(pull, fields)
		r := d.post("/api/sync/pull", pull)
		var page pulled
		r.decode(t, &page)
		got := map[string]string{}
		for _, c := range page.Changes {
			got[c.TableName+"/"+c.PK] = string(c.Payload)
		}
		same("pull of "+way, got)

		snapshot := obj{"scope": scope{workspace}, "pageSize": 300, "tables": allTables}
		maps.Copy(snapshot, fields)
		r = d.post("/api/sync/snapshot", snapshot)
		var copied struct {
			Items []struct {
				Kind, TableName, PK string
				Payload             json.RawMessage
			}
		}
		r.decode(t, &copied)
		got = map[string]string{}
		for _, i := range copied.Items {
			got[i.TableName+"/"+i.PK] = string(i.Payload)
		}
		same("snapshot of "+way, got)
	}
}

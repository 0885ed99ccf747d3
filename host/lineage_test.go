package host

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// put pushes rows as a client does.
func (p *person) put(table string, n int, rows ...string) {
	p.t.Helper()
	var ops []string
	for i, row := range rows {
		var of struct {
			ID    string
			Clock int
		}
		if err := json.Unmarshal([]byte(row), &of); err != nil {
			p.t.Fatal(err)
		}
		ops = append(ops, fmt.Sprintf(`{"id":"x","tableName":%q,"operation":"put","pk":%q,"payload":%s,"stamp":{"deviceId":"d","opId":"%08d-0000-4000-8000-%012d","hlc":"1000000000000:%04d:d","clock":%d}}`,
			table, of.ID, row, n, i, n*100+i, of.Clock))
	}
	var out struct {
		Results []struct {
			Success bool
			Error   string
		}
	}
	p.do("POST", "/api/sync/push", fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[%s]}`, p.workspace, strings.Join(ops, ",")), &out)
	for _, r := range out.Results {
		if !r.Success {
			p.t.Fatalf("%+v", out)
		}
	}
}

func threadRow(id, more string) string {
	return fmt.Sprintf(`{"id":%q,"clock":1,"title":"a","status":"ready","deleted":false,"pinned":false,"forked":false,"created_at":1,"updated_at":1%s}`, id, more)
}

func messageRow(id, thread, role string, index, clock int, data string) string {
	return fmt.Sprintf(`{"id":%q,"thread_id":%q,"role":%q,"index":%d,"clock":%d,"deleted":false,"pending":false,"created_at":1,"updated_at":1,"order_key":"k%d","data":%s}`,
		id, thread, role, index, clock, index, data)
}

// lineage is a chat "t1" that was compacted from "p", whose messages m0 to m3 are in the summary and m4 is not; "o" is
// another chat.
func (p *person) lineage() {
	p.t.Helper()
	p.put("threads", 1, threadRow("p", ""), threadRow("o", ""),
		threadRow("t1", `,"parent_thread_id":"p","anchor_message_id":"m3","branch_mode":"compacted","summary_message_id":"s"`))
	var rows []string
	for i := range 5 {
		role := []string{"user", "assistant"}[i%2]
		rows = append(rows, messageRow(fmt.Sprint("m", i), "p", role, i, 1, fmt.Sprintf(`{"content":"word%d of the Garden"}`, i)))
	}
	rows = append(rows, messageRow("other", "o", "user", 0, 1, `{"content":"the Garden of others"}`))
	var refs []string
	for i := range 4 {
		refs = append(refs, fmt.Sprintf(`{"message_id":"m%d","clock":1}`, i))
	}
	rows = append(rows, messageRow("s", "t1", "system", 0, 1, fmt.Sprintf(`{"kind":"compaction","content":"in short","compaction":{"version":1,"compaction_id":"c",
		"source_thread_id":"p","anchor_message_id":"m3","anchor_index":3,"generated_at":1,"model":"m","message_count":4,"prior_message_count":0,"summary_markdown":"in short",
		"landmarks":[{"message_id":"m2","kind":"decision","summary":"d","index":2,"role":"user","thread_id":"p"}],
		"history_scope":{"version":1,"segments":[{"thread_id":"p","messages":[%s]}]}}}`, strings.Join(refs, ","))))
	p.put("messages", 2, rows...)
}

// historyTools is a wish with the tools that read the history, called where runtime says.
func (p *person) historyTools(runtime string) string {
	return p.wish(1, fmt.Sprintf(`,"tools":[{"type":"function","function":{"name":"get_message"}},{"type":"function","function":{"name":"search_parent"}}],
		"_toolRuntime":{"get_message":%[1]q,"search_parent":%[1]q},"_clientDeviceId":"phone"`, runtime))
}

// A model reads what a compacted chat was made from, on the server and with no browser; whatever it asks for, it is
// told nothing of other chats, and nothing beyond the summary unless it asks for it.
func TestToolsThatReadTheHistory(t *testing.T) {
	long := strings.Repeat("x", 300)
	asked := []struct{ name, arguments, part, not string }{
		{"get_message", `{"message_id":"m1"}`, `"text":"word1 of the Garden"`, "others"},
		{"get_message", `{"message_id":"m4"}`, `"out_of_scope"`, "Garden"},
		{"get_message", `{"message_id":"m4","include_after_compaction":true}`, `"outside_compaction_scope":true`, "others"},
		{"get_message", `{"message_id":"other"}`, `"out_of_scope"`, "Garden"},
		{"get_message", `{"message_id":"other","include_after_compaction":true}`, `"out_of_scope"`, "Garden"},
		{"get_message", `{"message_id":"none","include_after_compaction":true}`, `"out_of_scope"`, "Garden"},
		{"get_message", `{"message_id":7}`, "do not fit", "Garden"},
		{"get_message", `{"message_id":"` + long + `"}`, "do not fit", "Garden"},
		{"get_message", `no JSON`, "do not fit", "Garden"},
		{"search_parent", `{"query":"garden WORD2"}`, `"scan_complete":true`, "others"},
		{"search_parent", `{"query":"garden","kinds":["decision"]}`, `"message_id":"m2"`, "word1"},
		{"search_parent", `{"query":"garden","include_after_compaction":true}`, `word4`, "others"},
		{"search_parent", `{"query":"garden","kinds":["everything"]}`, "do not fit", "Garden"},
		{"search_parent", `{"query":"garden","cursor":"AAAA"}`, "scope_incomplete", "Garden"},
		{"search_parent", `{"query":" "}`, "do not fit", "Garden"},
		{"search_parent", `{"query":"` + long + `"}`, "do not fit", "Garden"},
	}
	round := ""
	for i, a := range asked {
		round += calls(i, fmt.Sprint("c", i), a.name, a.arguments)
	}
	m := &model{t: t, rounds: []string{round + calledAll, says("So it is.") + said}}
	r := background(t, m.answer)
	p := r.register(t, "ann@example.test")
	var ready struct{ Ready bool }
	if p.do("GET", "/api/chat/history-readiness?thread_id=t1", "", &ready); ready.Ready {
		t.Error("a chat that is not there is ready")
	}
	p.lineage()
	for thread, want := range map[string]bool{"t1": true, "p": false, "o": false} {
		if p.do("GET", "/api/chat/history-readiness?thread_id="+thread, "", &ready); ready.Ready != want {
			t.Errorf("%s is ready: %t", thread, ready.Ready)
		}
	}
	// Another user's chat with the same name shows nothing of it.
	eve := r.register(t, "eve@example.test")
	if eve.do("GET", "/api/chat/history-readiness?thread_id=t1", "", &ready); ready.Ready {
		t.Error("another's chat is ready")
	}
	wish := strings.Replace(p.historyTools("hybrid"), `"thread":{"id":"t1","clock":1,"title":"<why>"}`, `"thread":`+threadRow("t1", `,"parent_thread_id":"p","anchor_message_id":"m3","branch_mode":"compacted","summary_message_id":"s"`), 1)
	s := p.until(p.start(wish), "complete")
	if *s.Content != "So it is." {
		t.Errorf("%+v", s)
	}
	told := m.all()[1].Messages[2:]
	if len(told) != len(asked) {
		t.Fatalf("the model is told %d results", len(told))
	}
	for i, a := range asked {
		text := fmt.Sprint(told[i].Content)
		if !strings.Contains(text, a.part) || strings.Contains(text, a.not) {
			t.Errorf("%s %.100s: %s", a.name, a.arguments, text)
		}
	}
	if text := fmt.Sprint(told[0].Content); !strings.Contains(text, "word0") || !strings.Contains(text, "word2") || strings.Contains(text, "word3") {
		t.Errorf("the neighbours: %s", text)
	}
	if text := fmt.Sprint(told[9].Content); !strings.Contains(text, `"results":[{"message_id":"m2"`) || strings.Contains(text, "word4") {
		t.Errorf("found: %s", text)
	}
}

// What a summary says about other chats opens none of them.
func TestSummariesThatLie(t *testing.T) {
	p := background(t, nil).register(t, "ann@example.test")
	p.lineage()
	ready := func(why string) {
		t.Helper()
		var out struct{ Ready bool }
		if p.do("GET", "/api/chat/history-readiness?thread_id=t1", "", &out); out.Ready {
			t.Errorf("%s: it is ready", why)
		}
	}
	summary := func(clock int, source, anchor, segment, inherited string) string {
		return strings.Replace(messageRow("s", "t1", "system", 0, clock, fmt.Sprintf(`{"kind":"compaction","compaction":{"version":1,"source_thread_id":%q,"anchor_message_id":%q,
			"landmarks":[],"history_scope":{"version":1,"segments":[{"thread_id":%q,"messages":[{"message_id":"other","clock":1}]}]%s}}}`, source, anchor, segment, inherited)), "\n", "", -1)
	}
	p.put("messages", 10, summary(10, "p", "m3", "o", ""))
	ready("of another chat")
	p.put("messages", 11, summary(11, "o", "m3", "p", ""))
	ready("made from another chat")
	p.put("messages", 12, summary(12, "p", "m2", "p", ""))
	ready("at another message")
	p.put("messages", 13, summary(13, "p", "m3", "p", `,"inherited_scope_message_id":"s"`))
	ready("in a circle")
	p.put("messages", 14, summary(14, "p", "m3", "p", `,"inherited_scope_message_id":"m1"`))
	ready("of a message that is none")
	p.put("messages", 15, summary(15, "p", "m3", "p", ""))
	p.put("threads", 16, strings.Replace(threadRow("p", `,"parent_thread_id":"t1","anchor_message_id":"s"`), `"clock":1`, `"clock":16`, 1))
	ready("a line in a circle")
	p.put("threads", 17, strings.Replace(threadRow("p", ""), `"clock":1`, `"clock":17`, 1))
	var out struct{ Ready bool }
	if p.do("GET", "/api/chat/history-readiness?thread_id=t1", "", &out); !out.Ready {
		t.Error("a line without a fault is not ready")
	}
	p.put("threads", 18, strings.Replace(strings.Replace(threadRow("p", ""), `"clock":1`, `"clock":18`, 1), `"deleted":false`, `"deleted":true`, 1))
	ready("its parent is deleted")
	if status, _ := p.try("GET", "/api/chat/history-readiness?thread_id="+strings.Repeat("x", or3cloud.MaxChatID+1), ""); status != 400 {
		t.Errorf("a long id: %d", status)
	}
}

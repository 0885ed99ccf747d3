package providertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

// generationBench is a bench with a provider that writes background answers and reads chats.
type generationBench struct {
	chatBench
	or3cloud.GenerationHistory
}

func withGenerations(f func(t *testing.T, b generationBench)) func(*testing.T, *syncBench) {
	return withChats(func(t *testing.T, b chatBench) {
		history, ok := b.Sync.(or3cloud.GenerationHistory)
		if !ok {
			t.Skip("no GenerationHistory")
		}
		f(t, generationBench{b, history})
	})
}

// turn is a new turn of a generation: the thread t, the user's message u and the answer a, all with one clock.
func (b generationBench) turn(generation string, clock int64) or3cloud.ChatGeneration {
	place := `"thread_id":"t","index":%d,"order_key":"k","role":%q`
	return or3cloud.ChatGeneration{
		Kind: or3cloud.NewTurn, WorkspaceID: b.ws, UserID: b.user, AdmissionID: "admission of " + generation, GenerationID: generation,
		ThreadID: "t", MessageID: "a",
		Thread:      []byte(payload(or3cloud.TableThreads, "t", clock, `"title":"cut \ud83d"`, `"hlc":"000000000:001:dev"`)),
		UserMessage: []byte(payload(or3cloud.TableMessages, "u", clock, fmt.Sprintf(place, 1, "user"), `"data":{"content":"why?"}`)),
		AssistantMessage: []byte(payload(or3cloud.TableMessages, "a", clock, fmt.Sprintf(place, 2, "assistant"), `"pending":true`,
			fmt.Sprintf(`"data":{"content":"","model":"m\ud83d","generation_id":%q}`, generation))),
	}
}

// continuation continues from a state of the answer.
func (b generationBench) continuation(generation string, clock, expected int64, of string) or3cloud.ChatGeneration {
	g := b.turn(generation, clock)
	g.Kind, g.Thread, g.UserMessage = or3cloud.Continuation, nil, nil
	g.Expected = &or3cloud.ExpectedAssistant{Clock: expected, GenerationID: of}
	return g
}

func answered(status or3cloud.GenerationStatus, text string) or3cloud.GenerationSnapshot {
	quoted, _ := json.Marshal(text)
	s := or3cloud.GenerationSnapshot{Status: status, Content: quoted, CompletedAt: time.UnixMilli(1_800_000_000_999)}
	if status == or3cloud.GenerationError {
		s.Error = []byte(`"the model is gone"`)
	}
	return s
}

// wrote requires a receipt of something that was written.
func (b generationBench) wrote(what string, version int64, replayed bool) func(or3cloud.GenerationReceipt, error) {
	b.t.Helper()
	return func(r or3cloud.GenerationReceipt, err error) {
		b.t.Helper()
		if want := (or3cloud.GenerationReceipt{Replayed: replayed, ServerVersion: version}); err != nil || r != want {
			b.t.Fatalf("%s: %+v, %v; want %+v", what, r, err, want)
		}
	}
}

// superseded requires a receipt of something that was not.
func (b generationBench) superseded(what string, why or3cloud.SupersededReason) func(or3cloud.GenerationReceipt, error) {
	b.t.Helper()
	return func(r or3cloud.GenerationReceipt, err error) {
		b.t.Helper()
		if want := (or3cloud.GenerationReceipt{Superseded: why}); err != nil || r != want {
			b.t.Fatalf("%s: %+v, %v; want %+v", what, r, err, want)
		}
	}
}

// refused requires an error that a host takes for final, by the words that it looks for.
func (b generationBench) refused(what string, code or3cloud.Code) func(or3cloud.GenerationReceipt, error) {
	b.t.Helper()
	return func(r or3cloud.GenerationReceipt, err error) {
		b.t.Helper()
		if or3cloud.CodeOf(err) != code || r != (or3cloud.GenerationReceipt{}) {
			b.t.Fatalf("%s: %+v, %v; want %q", what, r, err, code)
		}
		if text := strings.ToLower(err.Error()); !strings.Contains(text, "invalid") && !strings.Contains(text, "conflict") && !strings.Contains(text, "forbidden") {
			b.t.Errorf("%s: a host would try again after %q", what, text)
		}
	}
}

func (b generationBench) admit(g or3cloud.ChatGeneration) (or3cloud.GenerationReceipt, error) {
	return b.AdmitChatGeneration(b.ctx, g)
}

func (b generationBench) finalize(g or3cloud.ChatGeneration, s or3cloud.GenerationSnapshot) (or3cloud.GenerationReceipt, error) {
	return b.FinalizeChatGeneration(b.ctx, g, s)
}

// counter is the version of the workspace.
func (b *syncBench) counter() int64 {
	b.t.Helper()
	page := must(b.Sync.Pull(b.ctx, or3cloud.PullRequest{Scope: b.scope(), UserID: b.user, Limit: 1000}, func(*or3cloud.Change) error { return nil }))(b.t)
	return page.NextCursor
}

// answer is the message a as new devices of all kinds and readers see it; nil if there is none.
func (b generationBench) answer() map[string]any {
	b.t.Helper()
	state := b.seen()
	text, live := state[clientmodel.Key{Table: or3cloud.TableMessages, PK: "a"}]
	if !live {
		return nil
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		b.t.Fatal(err)
	}
	return row
}

// seen is what new devices see, both those that pull and those that take a snapshot; it also checks that readers of
// chats see the same.
func (b chatBench) seen() clientmodel.State {
	b.t.Helper()
	base := clientmodel.NewBase()
	if err := base.Sync(b.puller(), 3); err != nil {
		b.t.Fatalf("new base device: %v", err)
	}
	state := base.Live()
	b.wantState(state, 2)
	for _, thread := range []string{"t", "other"} {
		var read, want []string
		messages, _, err := b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatThreadPage, ThreadID: thread, Limit: 100})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, m := range messages {
			if !strings.Contains(m, `"deleted":true`) {
				read = append(read, m)
			}
		}
		for k, text := range state {
			var row struct {
				ThreadID string `json:"thread_id"` // the last of several, as everywhere
			}
			if err := json.Unmarshal([]byte(text), &row); err != nil {
				b.t.Fatal(err)
			}
			if k.Table == or3cloud.TableMessages && row.ThreadID == thread {
				want = append(want, text)
				if got := b.byID(k.PK); len(got) != 1 || got[0] != text {
					b.t.Fatalf("by id %q, pulled %q", got, text)
				}
			}
		}
		slices.Sort(read)
		slices.Sort(want)
		if !slices.Equal(read, want) {
			b.t.Fatalf("thread %s: read %q, pulled %q", thread, read, want)
		}
		text, live := state[clientmodel.Key{Table: or3cloud.TableThreads, PK: thread}]
		if got := string(b.thread(thread).Thread); live && got != text {
			b.t.Fatalf("thread %q, pulled %q", got, text)
		}
	}
	return state
}

// testGenerations follows answers from their admission to their end.
func testGenerations(t *testing.T, b generationBench) {
	b.push(b.op(or3cloud.TableKV, or3cloud.OpPut, "kv", 1))
	var updates <-chan int64
	if w, ok := b.Sync.(or3cloud.Watcher); ok {
		_, updates, _ = w.Watch(b.ctx, b.ws)
	}
	g := b.turn("g1", 3)
	b.wrote("admission", 4, false)(b.admit(g))
	if updates != nil {
		if v := <-updates; v != 4 {
			t.Errorf("watchers are told of %d", v)
		}
	}
	b.wrote("the same again", 4, true)(b.admit(g))
	changes, _ := b.pull(1, 10)
	var tables []string
	for i, c := range changes {
		tables = append(tables, c.Table)
		records := [][]byte{g.Thread, g.UserMessage, g.AssistantMessage}
		var pushed, announced map[string]any
		if json.Unmarshal(c.Payload, &pushed) != nil || json.Unmarshal(records[i], &announced) != nil {
			t.Fatalf("%s, %s", c.Payload, records[i])
		}
		delete(announced, "hlc")
		if c.Table == or3cloud.TableThreads {
			announced["forked"] = false
		}
		if diff := gocmp.Diff(announced, pushed); diff != "" || strings.Count(string(c.Payload), `\ud83d`) != strings.Count(string(records[i]), `\ud83d`) || c.Stamp.DeviceID != "background:g1" || c.Stamp.Clock != 3 || c.ServerVersion != int64(i+2) {
			t.Errorf("%s: %s with %+v\n%s", c.Table, c.Payload, c.Stamp, diff)
		}
	}
	if want := []string{or3cloud.TableThreads, or3cloud.TableMessages, or3cloud.TableMessages}; !slices.Equal(tables, want) || changes[0].Stamp.HLC != "000000000:001:dev" {
		t.Fatalf("%v, want %v; %+v", tables, want, changes[0].Stamp)
	}

	s := answered(or3cloud.GenerationComplete, "")
	s.Content, s.Reasoning = []byte(`"because \ud83d"`), []byte(`"hm"`)
	s.ToolCalls, s.Usage = []byte(`[{"name":"x","status":"complete"}]`), []byte(`{"total_tokens":7}`)
	b.wrote("finalization", 5, false)(b.finalize(g, s))
	b.wrote("the same again", 5, true)(b.finalize(g, s))
	b.wrote("another end", 5, true)(b.finalize(g, answered(or3cloud.GenerationAborted, "no")))
	b.wrote("the admission again", 4, true)(b.admit(g))
	changes, _ = b.pull(4, 10)
	if len(changes) != 1 || changes[0].Stamp.Clock != 4 || changes[0].Stamp.DeviceID != "background:g1" || !strings.Contains(string(changes[0].Payload), `"because \ud83d"`) ||
		!strings.Contains(string(changes[0].Payload), `"m\ud83d"`) {
		t.Fatalf("finalization: %+v", changes)
	}
	row := b.answer()
	data, _ := row["data"].(map[string]any)
	for name, want := range map[string]any{
		"model": "m\ufffd", "content": "because \ufffd", "reasoning_text": "hm", "tool_calls": []any{map[string]any{"name": "x", "status": "complete"}},
		"usage": map[string]any{"total_tokens": 7.0}, "generation_id": "g1", "generation_state": "complete", "error": nil,
	} {
		if diff := gocmp.Diff(want, data[name]); diff != "" {
			t.Errorf("data.%s: %s", name, diff)
		}
	}
	for name, want := range map[string]any{"pending": false, "updated_at": 1_800_000_000.0, "clock": 4.0, "created_at": 1.0, "role": "assistant", "index": 2.0} {
		if diff := gocmp.Diff(want, row[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}

	// An answer that continues, one that another takes over, and one that fails.
	second, third := b.continuation("g2", 5, 4, "g1"), b.continuation("g3", 6, 5, "")
	b.wrote("continuation", 6, false)(b.admit(second))
	b.wrote("takeover", 7, false)(b.admit(third))
	b.superseded("the one that was taken over", or3cloud.SupersededNewerGeneration)(b.finalize(second, answered(or3cloud.GenerationComplete, "late")))
	b.wrote("failure", 8, false)(b.finalize(third, answered(or3cloud.GenerationError, "half")))
	data, _ = b.answer()["data"].(map[string]any)
	if data["content"] != "half" || data["generation_state"] != "failed" || data["error"] != "the model is gone" || b.answer()["error"] != "the model is gone" {
		t.Errorf("a failed answer: %v", b.answer())
	}
	fourth := b.continuation("g4", 8, 7, "g3")
	b.wrote("another try", 9, false)(b.admit(fourth))
	b.wrote("abort", 10, false)(b.finalize(fourth, answered(or3cloud.GenerationAborted, "stop")))
	row = b.answer()
	data, _ = row["data"].(map[string]any)
	if data["content"] != "stop" || data["generation_state"] != "aborted" || data["error"] != nil || row["error"] != nil || row["pending"] != false {
		t.Errorf("an aborted answer: %v", row)
	}
	if got := b.counter(); got != 10 {
		t.Errorf("counter %d", got)
	}
	// In another workspace it is another generation.
	b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	b.wrote("elsewhere", 3, false)(b.admit(b.turn("g1", 3)))
}

// testRowsOfClients announces an answer with rows as a client's database has them: bare, or with fields for the device
// alone.
func testRowsOfClients(t *testing.T, b generationBench) {
	g := b.turn("g", 3)
	image := "data:image/png;base64," + strings.Repeat("A", 20_000)
	g.Thread = []byte(`{"id":"t","clock":3,"deleted":null,"created_at":7,"a.b":1}`)
	g.UserMessage = []byte(`{"id":"u","thread_id":"t","role":"user","clock":3,"hlc":"h","error":null,"x":null,"file_hashes":null,` +
		`"data":{"content":[{"image":"` + image + `"},{"` + image + `":"data:small"}],"a.b":"` + strings.Repeat("y", 20_000) + `"}}`)
	g.AssistantMessage = []byte(`{"id":"a","thread_id":"t","role":"assistant","clock":3,"error":"broken","index":null}`)
	b.wrote("admission", 3, false)(b.admit(g))
	b.Advance(time.Hour)
	b.wrote("the same, later", 3, true)(b.admit(g))
	b.wrote("the end", 4, false)(b.finalize(g, answered(or3cloud.GenerationComplete, "done")))
	state := b.seen() // every device takes the rows, or this fails
	row := func(table, pk string) (row map[string]any) {
		if err := json.Unmarshal([]byte(state[clientmodel.Key{Table: table, PK: pk}]), &row); err != nil {
			t.Fatalf("%s %s: %v in %v", table, pk, err, state)
		}
		for _, name := range []string{"created_at", "updated_at"} {
			if at, ok := row[name].(float64); !ok || at < 1e9 && at != 7 || at > 1e11 {
				t.Errorf("%s %s: %s %v", table, pk, name, row[name])
			}
			delete(row, name)
		}
		return row
	}
	for pk, want := range map[string]map[string]any{
		"u": {
			"id": "u", "thread_id": "t", "role": "user", "clock": 3.0, "x": nil, "file_hashes": nil, "deleted": false, "index": 0.0, "order_key": "h",
			"data": map[string]any{
				"content": []any{map[string]any{"image": "[data-url-stripped]"}, map[string]any{image: "data:small"}}, "a.b": strings.Repeat("y", 20_000),
			},
		},
	} {
		if diff := gocmp.Diff(want, row(or3cloud.TableMessages, pk)); diff != "" {
			t.Errorf("%s: %s", pk, diff)
		}
	}
	if got := row(or3cloud.TableMessages, "a"); got["error"] != nil || got["index"] != 1.0 || got["order_key"] == "" || got["pending"] != false {
		t.Errorf("the answer: %v", got)
	}
	want := map[string]any{"id": "t", "clock": 3.0, "deleted": false, "status": "ready", "pinned": false, "forked": false}
	if diff := gocmp.Diff(want, row(or3cloud.TableThreads, "t")); diff != "" {
		t.Errorf("the thread: %s", diff)
	}
	if got := b.pages("t", "", 1); !slices.Equal(got, []string{"u", "a"}) {
		t.Errorf("messages %v", got)
	}
	second := b.turn("g2", 3)
	second.UserMessage = []byte(`{"id":"v","thread_id":"t","role":"user","clock":3,"data":["` + strings.Repeat("data:"+strings.Repeat("B", 1<<20)+`","`, 12) + `"]}`)
	second.MessageID, second.AssistantMessage = "b", []byte(`{"id":"b","thread_id":"t","role":"assistant","clock":3}`)
	b.wrote("many images", 7, false)(b.admit(second))
}

// testSupersededGenerations lets devices edit and delete what a background answer concerns.
func testSupersededGenerations(t *testing.T, b generationBench) {
	main, done := b.ws, answered(or3cloud.GenerationComplete, "done")
	fresh := func() { b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Case", ""))(t) }
	edit := func(clock int64, extra ...string) or3cloud.Op { return b.message("a", "t", 2, "k", clock, extra...) }
	remove := func(table, pk string, clock int64) or3cloud.Op { return b.op(table, or3cloud.OpDelete, pk, clock) }
	named := `"data":{"content":"edited","generation_id":"g"}`
	for name, c := range map[string]struct {
		between []or3cloud.Op
		why     or3cloud.SupersededReason
	}{
		"untouched":                             {nil, ""},
		"an older edit":                         {[]or3cloud.Op{edit(2)}, ""},
		"the client's own op of the admission":  {[]or3cloud.Op{edit(3, named)}, ""},
		"an edit of the same clock":             {[]or3cloud.Op{edit(3)}, or3cloud.SupersededEdited},
		"an edit":                               {[]or3cloud.Op{edit(4, named)}, or3cloud.SupersededEdited},
		"an edit that forgets the generation":   {[]or3cloud.Op{edit(4)}, or3cloud.SupersededEdited},
		"another generation of a device":        {[]or3cloud.Op{edit(4, `"data":{"generation_id":"other"}`)}, or3cloud.SupersededNewerGeneration},
		"a mark":                                {[]or3cloud.Op{edit(4, `"deleted":true`)}, or3cloud.SupersededDeleted},
		"a deletion":                            {[]or3cloud.Op{remove(or3cloud.TableMessages, "a", 4)}, or3cloud.SupersededDeleted},
		"an older deletion":                     {[]or3cloud.Op{remove(or3cloud.TableMessages, "a", 2)}, ""},
		"a deletion that was taken back":        {[]or3cloud.Op{remove(or3cloud.TableMessages, "a", 4), edit(5, named)}, or3cloud.SupersededEdited},
		"the thread renamed":                    {[]or3cloud.Op{b.put("t", 9)}, ""},
		"another message of the thread deleted": {[]or3cloud.Op{remove(or3cloud.TableMessages, "u", 9)}, ""},
	} {
		fresh()
		g := b.turn("g", 3)
		b.wrote(name, 3, false)(b.admit(g))
		b.push(c.between...)
		before := b.counter()
		if c.why == "" {
			b.wrote(name, before+1, false)(b.finalize(g, done))
			if data, _ := b.answer()["data"].(map[string]any); data["content"] != "done" {
				t.Errorf("%s: %v", name, data)
			}
			continue
		}
		was := b.seen()
		b.superseded(name, c.why)(b.finalize(g, done))
		b.superseded(name+", again", c.why)(b.finalize(g, done))
		if diff := gocmp.Diff(was, b.seen()); diff != "" || b.counter() != before {
			t.Errorf("%s: something was written: %s", name, diff)
		}
	}
	fresh()
	b.superseded("never admitted", or3cloud.SupersededMissing)(b.finalize(b.turn("g", 3), done))
	// The admission itself comes too late.
	for name, c := range map[string]struct {
		before []or3cloud.Op
		g      or3cloud.ChatGeneration
		ok     bool
	}{
		"a thread that is newer":             {[]or3cloud.Op{b.put("t", 9)}, b.turn("g", 3), true},
		"a thread that is marked":            {[]or3cloud.Op{b.put("t", 9, `"deleted":true`)}, b.turn("g", 3), false},
		"a thread that is deleted":           {[]or3cloud.Op{b.del("t", 9)}, b.turn("g", 3), false},
		"a thread that was deleted earlier":  {[]or3cloud.Op{b.del("t", 2)}, b.turn("g", 3), true},
		"a question that is deleted":         {[]or3cloud.Op{remove(or3cloud.TableMessages, "u", 9)}, b.turn("g", 3), false},
		"a question that is newer":           {[]or3cloud.Op{b.message("u", "t", 1, "k", 9)}, b.turn("g", 3), true},
		"an answer that is deleted":          {[]or3cloud.Op{remove(or3cloud.TableMessages, "a", 9)}, b.turn("g", 3), false},
		"an answer that is newer":            {[]or3cloud.Op{edit(9)}, b.turn("g", 3), false},
		"an answer that the client has":      {[]or3cloud.Op{edit(3, named)}, b.turn("g", 3), true},
		"another of the same clock":          {[]or3cloud.Op{edit(3)}, b.turn("g", 3), false},
		"a continuation of nothing":          {nil, b.continuation("g", 3, 2, ""), true},
		"of what is expected":                {[]or3cloud.Op{edit(2)}, b.continuation("g", 3, 2, ""), true},
		"of what is older":                   {[]or3cloud.Op{edit(1)}, b.continuation("g", 3, 2, "x"), true},
		"of what is newer":                   {[]or3cloud.Op{edit(3)}, b.continuation("g", 4, 2, ""), false},
		"of what is much newer":              {[]or3cloud.Op{edit(9)}, b.continuation("g", 4, 2, ""), false},
		"of another generation":              {[]or3cloud.Op{edit(2, `"data":{"generation_id":"x"}`)}, b.continuation("g", 3, 2, "y"), false},
		"of the expected generation":         {[]or3cloud.Op{edit(2, `"data":{"generation_id":"y"}`)}, b.continuation("g", 3, 2, "y"), true},
		"of what is marked":                  {[]or3cloud.Op{edit(2, `"deleted":true`)}, b.continuation("g", 3, 2, ""), false},
		"of what is deleted":                 {[]or3cloud.Op{remove(or3cloud.TableMessages, "a", 2)}, b.continuation("g", 3, 2, ""), false},
		"in a thread that is deleted":        {[]or3cloud.Op{edit(2), b.del("t", 1)}, b.continuation("g", 3, 2, ""), false},
		"in a thread that is marked deleted": {[]or3cloud.Op{edit(2), b.put("t", 1, `"deleted":true`)}, b.continuation("g", 3, 2, ""), false},
		"in a thread that is there":          {[]or3cloud.Op{edit(2), b.put("t", 1)}, b.continuation("g", 3, 2, ""), true},
		"what is one's own already":          {[]or3cloud.Op{edit(3, named)}, b.continuation("g", 3, 2, ""), true},
	} {
		fresh()
		c.g.WorkspaceID = b.ws
		b.push(c.before...)
		was, version := b.seen(), b.counter()
		if !c.ok {
			b.refused(name, or3cloud.CodeConflict)(b.admit(c.g))
			if diff := gocmp.Diff(was, b.seen()); diff != "" || b.counter() != version {
				t.Errorf("%s: something was written: %s", name, diff)
			}
			continue
		}
		ops := int64(1)
		if c.g.Kind == or3cloud.NewTurn {
			ops = 3
		}
		b.wrote(name, version+ops, false)(b.admit(c.g))
		b.wrote(name, version+ops+1, false)(b.finalize(c.g, done))
		b.seen()
	}
	b.ws = main
}

// testGenerationsAreChecked announces answers that make no sense, and acts for users who may not.
func testGenerationsAreChecked(t *testing.T, b generationBench) {
	g := func(change func(*or3cloud.ChatGeneration)) or3cloud.ChatGeneration {
		g := b.turn("g", 3)
		change(&g)
		return g
	}
	with := func(record *[]byte, old, new string) { *record = []byte(strings.ReplaceAll(string(*record), old, new)) }
	large := `"data":{"content":"` + strings.Repeat("x", or3cloud.MaxGenerationBytes) + `"}`
	continuation := func(change func(*or3cloud.ChatGeneration)) or3cloud.ChatGeneration {
		g := b.continuation("g", 3, 2, "")
		change(&g)
		return g
	}
	for name, c := range map[string]struct {
		g    or3cloud.ChatGeneration
		code or3cloud.Code
	}{
		"no generation":         {g(func(g *or3cloud.ChatGeneration) { g.GenerationID = "" }), or3cloud.CodeInvalid},
		"a long generation":     {g(func(g *or3cloud.ChatGeneration) { g.GenerationID = strings.Repeat("g", 201) }), or3cloud.CodeInvalid},
		"no admission":          {g(func(g *or3cloud.ChatGeneration) { g.AdmissionID = "" }), or3cloud.CodeInvalid},
		"no kind":               {g(func(g *or3cloud.ChatGeneration) { g.Kind = "" }), or3cloud.CodeInvalid},
		"no thread":             {g(func(g *or3cloud.ChatGeneration) { g.Thread = nil }), or3cloud.CodeInvalid},
		"no question":           {g(func(g *or3cloud.ChatGeneration) { g.UserMessage = nil }), or3cloud.CodeInvalid},
		"no answer":             {g(func(g *or3cloud.ChatGeneration) { g.AssistantMessage = nil }), or3cloud.CodeInvalid},
		"no object":             {g(func(g *or3cloud.ChatGeneration) { g.AssistantMessage = []byte(`[]`) }), or3cloud.CodeInvalid},
		"no JSON":               {g(func(g *or3cloud.ChatGeneration) { with(&g.AssistantMessage, "}", "") }), or3cloud.CodeInvalid},
		"no UTF-8":              {g(func(g *or3cloud.ChatGeneration) { with(&g.Thread, "cut", "\xff") }), or3cloud.CodeInvalid},
		"another thread":        {g(func(g *or3cloud.ChatGeneration) { g.ThreadID = "t2" }), or3cloud.CodeInvalid},
		"another message":       {g(func(g *or3cloud.ChatGeneration) { g.MessageID = "a2" }), or3cloud.CodeInvalid},
		"an answer of a user":   {g(func(g *or3cloud.ChatGeneration) { with(&g.AssistantMessage, `"assistant"`, `"user"`) }), or3cloud.CodeInvalid},
		"a question of no user": {g(func(g *or3cloud.ChatGeneration) { g.UserMessage = g.AssistantMessage }), or3cloud.CodeInvalid},
		"a question elsewhere":  {g(func(g *or3cloud.ChatGeneration) { with(&g.UserMessage, `"thread_id":"t"`, `"thread_id":"x"`) }), or3cloud.CodeInvalid},
		"an answer elsewhere":   {g(func(g *or3cloud.ChatGeneration) { with(&g.AssistantMessage, `"thread_id":"t"`, `"thread_id":"x"`) }), or3cloud.CodeInvalid},
		"a clock below zero":    {g(func(g *or3cloud.ChatGeneration) { with(&g.AssistantMessage, `"clock":3`, `"clock":-3`) }), or3cloud.CodeInvalid},
		"a clock between":       {g(func(g *or3cloud.ChatGeneration) { with(&g.UserMessage, `"clock":3`, `"clock":3.5`) }), or3cloud.CodeInvalid},
		"a clock that blocks":   {g(func(g *or3cloud.ChatGeneration) { with(&g.Thread, `"clock":3`, `"clock":9007199254740991`) }), or3cloud.CodeInvalid},
		"an hlc that is none":   {g(func(g *or3cloud.ChatGeneration) { with(&g.Thread, `"hlc":"000000000:001:dev"`, `"hlc":7`) }), or3cloud.CodeInvalid},
		"a deleted answer":      {g(func(g *or3cloud.ChatGeneration) { with(&g.AssistantMessage, `"pending":true`, `"deleted":true`) }), or3cloud.CodeInvalid},
		"no order":              {g(func(g *or3cloud.ChatGeneration) { with(&g.AssistantMessage, `"index":2`, `"index":"2"`) }), or3cloud.CodeInvalid},
		"of another generation": {g(func(g *or3cloud.ChatGeneration) {
			with(&g.AssistantMessage, `"generation_id":"g"`, `"generation_id":"h"`)
		}), or3cloud.CodeInvalid},
		"too much":                 {g(func(g *or3cloud.ChatGeneration) { with(&g.UserMessage, `"data":{"content":"why?"}`, large) }), or3cloud.CodeTooLarge},
		"nothing expected":         {continuation(func(g *or3cloud.ChatGeneration) { g.Expected = nil }), or3cloud.CodeInvalid},
		"something below zero":     {continuation(func(g *or3cloud.ChatGeneration) { g.Expected.Clock = -1 }), or3cloud.CodeInvalid},
		"something that is newer":  {continuation(func(g *or3cloud.ChatGeneration) { g.Expected.Clock = 3 }), or3cloud.CodeInvalid},
		"someone unknown":          {g(func(g *or3cloud.ChatGeneration) { g.UserID = "nobody" }), or3cloud.CodeForbidden},
		"a workspace that is none": {g(func(g *or3cloud.ChatGeneration) { g.WorkspaceID = "nowhere" }), or3cloud.CodeForbidden},
	} {
		b.refused("admission: "+name, c.code)(b.admit(c.g))
		if c.g.GenerationID != "" && name != "a clock that blocks" {
			b.refused("finalization: "+name, c.code)(b.finalize(c.g, answered(or3cloud.GenerationComplete, "done")))
		}
	}
	viewer := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "viewer"}))(t)
	b.join(viewer, or3cloud.RoleViewer)
	b.refused("a viewer", or3cloud.CodeForbidden)(b.admit(g(func(g *or3cloud.ChatGeneration) { g.UserID = viewer })))
	if b.counter() != 0 {
		t.Fatalf("counter %d after nothing but refusals", b.counter())
	}

	editor := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "editor"}))(t)
	b.join(editor, or3cloud.RoleEditor)
	own := g(func(g *or3cloud.ChatGeneration) { g.UserID = editor })
	b.wrote("an editor", 3, false)(b.admit(own))
	for name, change := range map[string]func(*or3cloud.GenerationSnapshot){
		"no status":            func(s *or3cloud.GenerationSnapshot) { s.Status = "" },
		"one that goes on":     func(s *or3cloud.GenerationSnapshot) { s.Status = "streaming" },
		"no content":           func(s *or3cloud.GenerationSnapshot) { s.Content = nil },
		"content that is none": func(s *or3cloud.GenerationSnapshot) { s.Content = []byte(`{}`) },
		"broken content":       func(s *or3cloud.GenerationSnapshot) { s.Content = []byte(`"x`) },
		"more than content":    func(s *or3cloud.GenerationSnapshot) { s.Content = []byte(`"x" "y"`) },
		"content of bytes":     func(s *or3cloud.GenerationSnapshot) { s.Content = []byte("\"\xff\"") },
		"no tool calls":        func(s *or3cloud.GenerationSnapshot) { s.ToolCalls = []byte(`{}`) },
		"deep tool calls": func(s *or3cloud.GenerationSnapshot) {
			s.ToolCalls = []byte(strings.Repeat("[", 200) + strings.Repeat("]", 200))
		},
		"no usage":          func(s *or3cloud.GenerationSnapshot) { s.Usage = []byte(`7`) },
		"no reasoning":      func(s *or3cloud.GenerationSnapshot) { s.Reasoning = []byte(`7`) },
		"no error":          func(s *or3cloud.GenerationSnapshot) { s.Error = []byte(`7`) },
		"a time before all": func(s *or3cloud.GenerationSnapshot) { s.CompletedAt = time.UnixMilli(-1000) },
	} {
		s := answered(or3cloud.GenerationComplete, "done")
		change(&s)
		b.refused("snapshot: "+name, or3cloud.CodeInvalid)(b.finalize(own, s))
	}
	s := answered(or3cloud.GenerationComplete, strings.Repeat("x", or3cloud.MaxGenerationBytes))
	b.refused("a large answer", or3cloud.CodeTooLarge)(b.finalize(own, s))

	other := own
	other.AssistantMessage = []byte(strings.Replace(string(own.AssistantMessage), `"index":2`, `"index":3`, 1))
	b.refused("the generation with another answer", or3cloud.CodeConflict)(b.admit(other))
	other = own
	other.Thread = []byte(strings.Replace(string(own.Thread), `cut`, `cut off`, 1))
	b.refused("the generation with another thread", or3cloud.CodeConflict)(b.admit(other))
	if manager, ok := b.Workspaces.(or3cloud.WorkspaceAccessStore); ok {
		if err := manager.SetMemberRole(b.ctx, b.ws, editor, or3cloud.RoleViewer); err != nil {
			t.Fatal(err)
		}
		b.refused("an editor of before, again", or3cloud.CodeForbidden)(b.admit(own))
		b.refused("an editor of before", or3cloud.CodeForbidden)(b.finalize(own, answered(or3cloud.GenerationComplete, "done")))
	}
	own.UserID = b.user
	b.wrote("for the owner", 4, false)(b.finalize(own, answered(or3cloud.GenerationComplete, "done")))
	moved := own
	moved.MessageID = "a2"
	moved.AssistantMessage = []byte(strings.Replace(string(own.AssistantMessage), `"id":"a"`, `"id":"a2"`, 1))
	b.refused("the generation with another message", or3cloud.CodeConflict)(b.admit(moved))
	b.refused("the end of the generation with another message", or3cloud.CodeConflict)(b.finalize(moved, answered(or3cloud.GenerationComplete, "done")))
}

// testGenerationRaces lets many workers do the same, and several want the same message, while a device writes it.
func testGenerationRaces(t *testing.T, b generationBench) {
	main := b.ws
	for round := range 8 {
		b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, fmt.Sprint("Race ", round), ""))(t)
		g, done := b.turn("g", 3), answered(or3cloud.GenerationComplete, "done")
		var first atomic.Int64
		same := func(do func() (or3cloud.GenerationReceipt, error), version int64) {
			t.Helper()
			first.Store(0)
			parallel(6, func(int) {
				r, err := do()
				if err != nil || r.ServerVersion != version || r.Superseded != "" {
					t.Errorf("%+v, %v", r, err)
				}
				if !r.Replayed {
					first.Add(1)
				}
			})
			if first.Load() != 1 {
				t.Errorf("%d workers were the first", first.Load())
			}
		}
		same(func() (or3cloud.GenerationReceipt, error) { return b.admit(g) }, 3)
		same(func() (or3cloud.GenerationReceipt, error) { return b.finalize(g, done) }, 4)
		if got := b.counter(); got != 4 {
			t.Fatalf("counter %d", got)
		}

		// Jobs that continue from the same state: one gets it, and the others are told; a device edits in the meantime.
		var winner atomic.Int64
		edit := b.message("a", "t", 2, "k", 5, `"data":{"content":"edited","generation_id":"g"}`)
		parallel(5, func(i int) {
			if i == 4 {
				_, err := b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: []or3cloud.Op{edit}})
				if err != nil {
					t.Error(err)
				}
				return
			}
			own := b.continuation(fmt.Sprint("race", i), 5, 4, "g")
			r, err := b.admit(own)
			switch or3cloud.CodeOf(err) {
			case or3cloud.CodeConflict:
				return
			case "":
			default:
				t.Error(err)
				return
			}
			if r.Replayed {
				t.Error("replayed")
			}
			if r, err = b.finalize(own, answered(or3cloud.GenerationComplete, own.GenerationID)); err != nil {
				t.Error(err)
			} else if r.Superseded == "" {
				winner.Add(int64(i) + 100)
			}
		})
		if winner.Load() >= 200 {
			t.Errorf("two jobs have written the answer: %d", winner.Load())
		}
		data, _ := b.answer()["data"].(map[string]any)
		if w := winner.Load(); w > 0 && data["content"] != fmt.Sprint("race", w-100) && data["content"] != "edited" {
			t.Errorf("the answer is %v, and %d has written it", data, w-100)
		}
	}
	b.ws = main
}

// testGenerationsConverge mixes jobs and devices that write the same few records, in any order, repeat themselves and
// collect. Versions have no gaps, all devices end with the same state, readers of chats see it, and each stage has
// happened once.
func testGenerationsConverge(t *testing.T, b generationBench) {
	main := b.ws
	rapid.Check(t, func(rt *rapid.T) {
		b.t = rt
		b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Property", ""))(rt)
		b.everything = nil
		type stage struct {
			g        or3cloud.ChatGeneration
			s        or3cloud.GenerationSnapshot
			admitted or3cloud.GenerationReceipt
			ended    or3cloud.GenerationReceipt
		}
		var jobs []*stage
		high := int64(0)
		step := func(what string, r or3cloud.GenerationReceipt, err error, before or3cloud.GenerationReceipt, ops int64) {
			rt.Helper()
			switch {
			case before.ServerVersion > 0:
				if err != nil || !r.Replayed || r.ServerVersion != before.ServerVersion {
					rt.Fatalf("%s again: %+v, %v; first it was %+v", what, r, err, before)
				}
			case err != nil:
				if or3cloud.CodeOf(err) != or3cloud.CodeConflict {
					rt.Fatalf("%s: %v", what, err)
				}
			case r.Superseded == "":
				if r.Replayed || r.ServerVersion != high+ops {
					rt.Fatalf("%s: %+v after %d", what, r, high)
				}
				high = r.ServerVersion
			}
			if got := b.counter(); got != high {
				rt.Fatalf("%s: counter %d, want %d", what, got, high)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"announce": func(rt *rapid.T) {
				id, clock := fmt.Sprint("g", len(jobs)), rapid.Int64Range(1, 6).Draw(rt, "clock")
				g := b.turn(id, clock)
				if rapid.Bool().Draw(rt, "continuation") {
					g = b.continuation(id, clock, rapid.Int64Range(0, clock-1).Draw(rt, "expected"), "")
				}
				if rapid.Bool().Draw(rt, "unnamed") {
					g.AssistantMessage = []byte(strings.Replace(string(g.AssistantMessage), `"generation_id"`, `"x"`, 1))
				}
				jobs = append(jobs, &stage{g: g, s: answered(or3cloud.GenerationComplete, "by "+id)})
			},
			"admit": func(rt *rapid.T) {
				if len(jobs) == 0 {
					rt.Skip("no job")
				}
				j := rapid.SampledFrom(jobs).Draw(rt, "job")
				ops := int64(1)
				if j.g.Kind == or3cloud.NewTurn {
					ops = 3
				}
				r, err := b.admit(j.g)
				step("admission", r, err, j.admitted, ops)
				if err == nil && j.admitted.ServerVersion == 0 {
					j.admitted = r
				}
			},
			"finalize": func(rt *rapid.T) {
				if len(jobs) == 0 {
					rt.Skip("no job")
				}
				j := rapid.SampledFrom(jobs).Draw(rt, "job")
				r, err := b.finalize(j.g, j.s)
				if err != nil {
					rt.Fatal(err)
				}
				step("finalization", r, err, j.ended, 1)
				if r.Superseded == "" && j.ended.ServerVersion == 0 {
					j.ended = r
					if data, _ := b.answer()["data"].(map[string]any); data["content"] != "by "+j.g.GenerationID {
						rt.Fatalf("the answer of %s is %v", j.g.GenerationID, data)
					}
				}
			},
			"device": func(rt *rapid.T) {
				clock := rapid.Int64Range(1, 8).Draw(rt, "clock")
				pk := rapid.SampledFrom([]string{"a", "u", "m"}).Draw(rt, "pk")
				o := b.message(pk, rapid.SampledFrom([]string{"t", "t", "other"}).Draw(rt, "thread"), rapid.IntRange(0, 3).Draw(rt, "index"), "k", clock)
				switch rapid.IntRange(0, 5).Draw(rt, "what") {
				case 0:
					o = b.op(or3cloud.TableMessages, or3cloud.OpDelete, pk, clock)
				case 1:
					o = b.message(pk, "t", 2, "k", clock, `"deleted":true`)
				case 2:
					o = b.put("t", clock)
				case 3:
					if len(jobs) > 0 { // the client's own write of what it has announced
						g := rapid.SampledFrom(jobs).Draw(rt, "own").g
						o.PK, o.Payload = "a", g.AssistantMessage
						var row struct{ Clock int64 }
						_ = json.Unmarshal(g.AssistantMessage, &row)
						o.Stamp.Clock = row.Clock
						o = b.checked(o)
					}
				}
				res := b.push(o)
				high++
				if res.ServerVersion != high {
					rt.Fatalf("version %d after %d", res.ServerVersion, high-1)
				}
			},
			"read": func(*rapid.T) { b.seen() },
		})
		b.seen()
		// Everything written has its place in the log, and its payload is the winner's.
		for _, j := range jobs {
			if r, err := b.admit(j.g); j.admitted.ServerVersion > 0 && (err != nil || !r.Replayed) {
				rt.Fatalf("%+v, %v", r, err)
			}
		}
	})
	b.t, b.ws = t, main
}

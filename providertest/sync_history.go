package providertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// chatBench is a bench with a provider that reads chats.
type chatBench struct {
	*syncBench
	or3cloud.ChatHistoryReader
}

func withChats(f func(t *testing.T, b chatBench)) func(*testing.T, *syncBench) {
	return func(t *testing.T, b *syncBench) {
		reader, ok := b.Sync.(or3cloud.ChatHistoryReader)
		if !ok {
			t.Skip("no ChatHistoryReader")
		}
		f(t, chatBench{b, reader})
	}
}

// message makes a put of a message.
func (b *syncBench) message(pk, thread string, index any, orderKey string, clock int64, extra ...string) or3cloud.Op {
	quoted := must(json.Marshal(orderKey))(b.t)
	place := fmt.Sprintf(`"thread_id":%q,"index":%v,"order_key":%s`, thread, index, quoted)
	return b.op(or3cloud.TableMessages, or3cloud.OpPut, pk, clock, append([]string{place}, extra...)...)
}

// read reads a chat's history, and copies the messages.
func (b chatBench) read(q or3cloud.ChatQuery) (messages []string, page or3cloud.ChatPage, err error) {
	q.WorkspaceID = b.ws
	if q.UserID == "" {
		q.UserID = b.user
	}
	page, err = b.ReadChatHistory(b.ctx, q, func(message []byte) error {
		messages = append(messages, string(message))
		return nil
	})
	return messages, page, err
}

// thread reads a thread.
func (b chatBench) thread(id string) or3cloud.ChatPage {
	b.t.Helper()
	messages, page, err := b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatThread, ThreadID: id})
	if err != nil || len(messages) != 0 || page.Incomplete || page.NextCursor != "" || page.Examined != 0 {
		b.t.Fatalf("thread %s: %q, %+v, %v", id, messages, page, err)
	}
	return page
}

// byID reads messages.
func (b chatBench) byID(ids ...string) []string {
	b.t.Helper()
	messages, page, err := b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatMessages, MessageIDs: ids})
	if err != nil || page.Incomplete || page.NextCursor != "" || page.Thread != nil {
		b.t.Fatalf("messages %v: %+v, %v", ids, page, err)
	}
	return messages
}

// pages reads all pages of a thread from a cursor on, and returns the ids of the messages.
func (b chatBench) pages(thread, cursor string, limit int) (ids []string) {
	b.t.Helper()
	for n := 0; ; n++ {
		messages, page, err := b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatThreadPage, ThreadID: thread, Cursor: cursor, Limit: limit})
		if err != nil || page.Incomplete || len(messages) > limit || len(messages) != page.Examined || page.Thread != nil || n > 100 {
			b.t.Fatalf("page %d of %s: %q, %+v, %v", n, thread, messages, page, err)
		}
		for _, m := range messages {
			ids = append(ids, idOf(b.t, m))
		}
		if cursor = page.NextCursor; cursor == "" {
			return ids
		}
	}
}

func idOf(t failer, message string) string {
	t.Helper()
	var m struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(message), &m); err != nil || m.ID == "" {
		t.Fatalf("%s: %v", message, err)
	}
	return m.ID
}

// testChatHistory reads a thread as a thread, by the ids of its messages, and in pages of every size in both
// directions.
func testChatHistory(t *testing.T, b chatBench) {
	if page := b.thread("t"); page.Thread != nil || page.Revision != "" {
		t.Errorf("a thread that is not there: %+v", page)
	}
	if got := b.pages("t", "", 5); got != nil {
		t.Errorf("pages of a thread that is not there: %v", got)
	}
	long := strings.Repeat("x", 200)
	b.push(b.put("t", 1, `"title":"T\ud83d"`),
		b.message("c", "t", 1, "k", 1), b.message("b", "t", 1, "k", 1, `"data":{"content":"cut \ud83d"}`), b.message("a", "t", 2.5, "", 1),
		b.message("high", "t", 1, "\uffff", 1), b.message("pair", "t", 1, "\U0001F600", 1), // in UTF-16, a pair comes before \uffff
		b.message("first", "t", -1000, "z", 1), b.message(long, "t", 1e15, long, 1),
		b.message("gone", "t", 3, "k", 1), b.message("marked", "t", 4, "k", 1, `"deleted":true`),
		b.message("elsewhere", "other", 1, "k", 1))
	b.push(b.op(or3cloud.TableMessages, or3cloud.OpDelete, "gone", 2), b.message("c", "t", 0, "k", 1, `"loser":true`))
	// Of equal clocks the later op has won.
	order := []string{"first", "c", "b", "pair", "high", "a", "marked", long}
	back := slices.Clone(order)
	slices.Reverse(back)
	for limit := 1; limit <= len(order)+1; limit++ {
		if got := b.pages("t", "", limit); !slices.Equal(got, order) {
			t.Errorf("pages of %d: %v, want %v", limit, got, order)
		}
		for i := -1; i < len(order); i++ {
			key, before, behind := "", back, order
			if i >= 0 {
				place := map[string]string{
					"first": `-1000,"z"`, "c": `0,"k"`, "b": `1,"k"`, "pair": `1,"\ud83d\ude00"`, "high": `1,"\uffff"`, "a": `2.5,""`,
					"marked": `4,"k"`, long: `1e15,"` + long + `"`,
				}[order[i]]
				key = fmt.Sprintf(`,"key":[%s,%q]`, place, order[i])
				before, behind = back[len(order)-i:], order[i+1:]
			}
			if got := b.pages("t", `chat-seek-v1:{"thread_id":"t","backward":true`+key+`}`, limit); !slices.Equal(got, before) {
				t.Errorf("pages of %d before %d: %v, want %v", limit, i, got, before)
			}
			if got := b.pages("t", `chat-seek-v1:{"thread_id":"t","backward":false`+key+`}`, limit); !slices.Equal(got, behind) {
				t.Errorf("pages of %d behind %d: %v, want %v", limit, i, got, behind)
			}
		}
	}
	if got := b.pages("t", `chat-seek-v1:{"thread_id":"t","backward":false,"key":[1,"l","not there"]}`, 2); !slices.Equal(got, order[3:]) {
		t.Errorf("behind a message that is not there: %v", got)
	}

	if got := b.byID("marked", "b", "gone", "unknown", "t", "b"); len(got) != 2 || idOf(t, got[0]) != "marked" || !strings.Contains(got[1], `"cut \ud83d"`) {
		t.Errorf("by id: %q", got)
	}
	if got := b.byID(); len(got) != 0 {
		t.Errorf("no ids: %q", got)
	}
	if page := b.thread("t"); !strings.Contains(string(page.Thread), `"T\ud83d"`) || page.ProjectOwnership != or3cloud.ProjectResolved {
		t.Errorf("the thread: %s, %+v", page.Thread, page)
	}
	b.push(b.put("t", 2, `"deleted":true`))
	if page := b.thread("t"); !strings.Contains(string(page.Thread), `"deleted":true`) {
		t.Errorf("a thread that is marked deleted: %s", page.Thread)
	}
	b.push(b.del("t", 3))
	if page := b.thread("t"); page.Thread != nil || page.Revision == "" {
		t.Errorf("a deleted thread: %+v", page)
	}
	failed := errors.New("enough")
	_, err := b.ReadChatHistory(b.ctx, or3cloud.ChatQuery{WorkspaceID: b.ws, UserID: b.user, Kind: or3cloud.ChatThreadPage, ThreadID: "t", Limit: 2},
		func([]byte) error { return failed })
	if !errors.Is(err, failed) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// testChatQueries makes queries that are out of range, and for users who may not.
func testChatQueries(t *testing.T, b chatBench) {
	b.push(b.put("t", 1), b.message("m", "t", 1, "k", 1))
	most := strings.Repeat("x", or3cloud.MaxChatID)
	page := func(cursor string, limit int) or3cloud.ChatQuery {
		return or3cloud.ChatQuery{Kind: or3cloud.ChatThreadPage, ThreadID: "t", Cursor: cursor, Limit: limit}
	}
	seek := func(text string) or3cloud.ChatQuery { return page("chat-seek-v1:"+text, 1) }
	ids := make([]string, or3cloud.MaxChatMessages)
	for i := range ids {
		ids[i] = fmt.Sprint("m", i)
	}
	for name, c := range map[string]struct {
		q    or3cloud.ChatQuery
		code or3cloud.Code
	}{
		"the longest id":                {or3cloud.ChatQuery{Kind: or3cloud.ChatThread, ThreadID: most}, ""},
		"a longer one":                  {or3cloud.ChatQuery{Kind: or3cloud.ChatThread, ThreadID: most + "x"}, or3cloud.CodeInvalid},
		"too many bytes":                {or3cloud.ChatQuery{Kind: or3cloud.ChatThread, ThreadID: strings.Repeat("ä", 101)}, or3cloud.CodeInvalid},
		"no thread":                     {or3cloud.ChatQuery{Kind: or3cloud.ChatThread}, or3cloud.CodeInvalid},
		"no kind":                       {or3cloud.ChatQuery{ThreadID: "t"}, or3cloud.CodeInvalid},
		"another kind":                  {or3cloud.ChatQuery{Kind: "log", ThreadID: "t"}, or3cloud.CodeInvalid},
		"the most ids":                  {or3cloud.ChatQuery{Kind: or3cloud.ChatMessages, MessageIDs: ids}, ""},
		"more ids":                      {or3cloud.ChatQuery{Kind: or3cloud.ChatMessages, MessageIDs: append(ids, "m")}, or3cloud.CodeInvalid},
		"an empty id":                   {or3cloud.ChatQuery{Kind: or3cloud.ChatMessages, MessageIDs: []string{"m", ""}}, or3cloud.CodeInvalid},
		"the largest page":              {page("", or3cloud.MaxChatMessages), ""},
		"a larger one":                  {page("", or3cloud.MaxChatMessages+1), or3cloud.CodeInvalid},
		"an empty page":                 {page("", 0), or3cloud.CodeInvalid},
		"a negative page":               {page("", -1), or3cloud.CodeInvalid},
		"a page of no thread":           {or3cloud.ChatQuery{Kind: or3cloud.ChatThreadPage, Limit: 1}, or3cloud.CodeInvalid},
		"no cursor of ours":             {page("abc", 1), or3cloud.CodeInvalid},
		"no JSON":                       {seek("{"), or3cloud.CodeInvalid},
		"more than JSON":                {seek(`{"thread_id":"t","backward":true}}`), or3cloud.CodeInvalid},
		"null":                          {seek(`null`), or3cloud.CodeInvalid},
		"no direction":                  {seek(`{"thread_id":"t"}`), or3cloud.CodeInvalid},
		"another thread":                {seek(`{"thread_id":"u","backward":true}`), or3cloud.CodeInvalid},
		"a direction that is none":      {seek(`{"thread_id":"t","backward":"yes"}`), or3cloud.CodeInvalid},
		"a short key":                   {seek(`{"thread_id":"t","backward":true,"key":[1,"k"]}`), or3cloud.CodeInvalid},
		"a long key":                    {seek(`{"thread_id":"t","backward":true,"key":[1,"k","m",1]}`), or3cloud.CodeInvalid},
		"an index that is none":         {seek(`{"thread_id":"t","backward":true,"key":["1","k","m"]}`), or3cloud.CodeInvalid},
		"an index beyond numbers":       {seek(`{"thread_id":"t","backward":true,"key":[1e999,"k","m"]}`), or3cloud.CodeInvalid},
		"no index":                      {seek(`{"thread_id":"t","backward":true,"key":[null,"k","m"]}`), or3cloud.CodeInvalid},
		"no order key":                  {seek(`{"thread_id":"t","backward":true,"key":[1,null,"m"]}`), or3cloud.CodeInvalid},
		"an id that is none":            {seek(`{"thread_id":"t","backward":true,"key":[1,"k",2]}`), or3cloud.CodeInvalid},
		"a cursor of the longest":       {seek(`{"thread_id":"t","backward":true` + strings.Repeat(" ", 2002) + `}`), ""},
		"a longer cursor":               {seek(`{"thread_id":"t","backward":true` + strings.Repeat(" ", 2003) + `}`), or3cloud.CodeInvalid},
		"a query of an unknown user":    {or3cloud.ChatQuery{UserID: "nobody", Kind: or3cloud.ChatThread, ThreadID: "t"}, or3cloud.CodeForbidden},
		"messages for an unknown user":  {or3cloud.ChatQuery{UserID: "nobody", Kind: or3cloud.ChatMessages, MessageIDs: ids}, or3cloud.CodeForbidden},
		"a page for an unknown user":    {or3cloud.ChatQuery{UserID: "nobody", Kind: or3cloud.ChatThreadPage, ThreadID: "t", Limit: 1}, or3cloud.CodeForbidden},
		"a bad query of an unknown one": {or3cloud.ChatQuery{UserID: "nobody", Kind: "log"}, or3cloud.CodeForbidden},
	} {
		messages, _, err := b.read(c.q)
		if got := or3cloud.CodeOf(err); got != c.code && (c.code != or3cloud.CodeForbidden || got != or3cloud.CodeInvalid || c.q.Kind != "log") {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
		if err != nil && len(messages) != 0 {
			t.Errorf("%s: %d messages with an error", name, len(messages))
		}
	}
	viewer := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "viewer"}))(t)
	b.join(viewer, or3cloud.RoleViewer)
	if got, _, err := b.read(or3cloud.ChatQuery{UserID: viewer, Kind: or3cloud.ChatThreadPage, ThreadID: "t", Limit: 1}); err != nil || len(got) != 1 {
		t.Errorf("a viewer: %q, %v", got, err)
	}
	other := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	b.ws = other
	if got := b.byID("m"); len(got) != 0 {
		t.Errorf("in another workspace: %q", got)
	}
	b.ws = "no workspace"
	if _, _, err := b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatThread, ThreadID: "t"}); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("an unknown workspace: %v", err)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if _, err := b.ReadChatHistory(ctx, or3cloud.ChatQuery{WorkspaceID: other, UserID: b.user, Kind: or3cloud.ChatThread, ThreadID: "t"}, nil); err == nil {
		t.Error("a reader who is gone gets an answer")
	}
}

// testChatRevisions changes a thread in all ways. Its revision changes with each of them, and with nothing else.
func testChatRevisions(t *testing.T, b chatBench) {
	known := map[string]string{"": "nothing"}
	changed := func(what string, want bool, ops ...or3cloud.Op) {
		t.Helper()
		before := b.thread("t").Revision
		b.push(ops...)
		now := b.thread("t").Revision
		if (before != now) != want {
			t.Errorf("%s: revision %q, then %q", what, before, now)
		}
		if want && known[now] != "" {
			t.Errorf("%s: revision %q was that of %s", what, now, known[now])
		}
		known[now] = what
		if _, page, err := b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatThreadPage, ThreadID: "t", Limit: 1}); err != nil || page.Revision != now {
			t.Errorf("%s: a page has revision %q, want %q, %v", what, page.Revision, now, err)
		}
	}
	changed("a message", true, b.message("m", "t", 1, "k", 1))
	changed("the thread", true, b.put("t", 1))
	changed("another thread", false, b.put("u", 1), b.message("n", "u", 1, "k", 1))
	changed("a loser", false, b.message("m", "t", 9, "k", 0))
	changed("another table", false, b.op(or3cloud.TablePosts, or3cloud.OpPut, "m", 1), b.op(or3cloud.TablePosts, or3cloud.OpPut, "t", 1))
	changed("an edit", true, b.message("m", "t", 1, "k", 2))
	changed("a second message", true, b.message("l", "t", 0, "k", 1))
	changed("an older message deleted", true, b.op(or3cloud.TableMessages, or3cloud.OpDelete, "m", 3))
	changed("a deletion of nothing", false, b.op(or3cloud.TableMessages, or3cloud.OpDelete, "x", 3))
	changed("a message that comes back", true, b.message("m", "t", 1, "k", 4))
	changed("one that leaves", true, b.message("m", "u", 1, "k", 5))
	changed("one that changes elsewhere", false, b.message("m", "u", 1, "k", 6))
	changed("one that returns", true, b.message("m", "t", 1, "k", 7))
	changed("one that is marked", true, b.message("l", "t", 0, "k", 2, `"deleted":true`))
	changed("the last ones deleted", true, b.op(or3cloud.TableMessages, or3cloud.OpDelete, "m", 8), b.op(or3cloud.TableMessages, or3cloud.OpDelete, "l", 8))
	changed("the thread deleted", true, b.del("t", 2))
	if _, ok := b.Sync.(or3cloud.SyncCollector); ok {
		b.cursor("d", 1<<40)
		b.Advance(1000 * 24 * 3600e9)
		b.cursor("d", 1<<40)
		was := b.thread("t").Revision
		b.gc()
		if now := b.thread("t").Revision; now != was {
			t.Errorf("a collection: revision %q, then %q", was, now)
		}
	}
	changed("a new life", true, b.put("t", 1))
}

// testProjectOwnership lets projects list threads, which may name another one.
func testProjectOwnership(t *testing.T, b chatBench) {
	list := func(entries string) string { return `"data":` + entries }
	project := func(pk string, clock int64, extra ...string) {
		b.push(b.op(or3cloud.TableProjects, or3cloud.OpPut, pk, clock, extra...))
	}
	want := func(when string, ownership or3cloud.ProjectOwnership, id any) {
		t.Helper()
		page := b.thread("t")
		var thread map[string]any
		if err := json.Unmarshal(page.Thread, &thread); err != nil {
			t.Fatal(err)
		}
		if page.ProjectOwnership != ownership || thread["project_id"] != id {
			t.Errorf("%s: %q, project %v; want %q, %v", when, page.ProjectOwnership, thread["project_id"], ownership, id)
		}
	}
	b.push(b.put("t", 1))
	want("no project", or3cloud.ProjectResolved, nil)
	project("p", 1, list(`[{"id":"t","kind":"doc"},{"id":"u","kind":"chat"},7,"t",{"id":7,"kind":"chat"}]`))
	want("listed as something else", or3cloud.ProjectResolved, nil)
	project("p", 2, list(`[{"kind":"chat","name":"x","id":"t"}]`))
	want("listed", or3cloud.ProjectResolved, "p")
	project("q", 1, list(strconv.Quote(`[{"id":"t","kind":"chat"}]`)))
	want("listed twice", or3cloud.ProjectConflict, nil)
	b.push(b.put("t", 2, `"project_id":null`))
	project("p", 3, list(`[{"kind":"chat","id":"t"}]`), `"deleted":true`)
	want("one of them deleted", or3cloud.ProjectResolved, "q")
	b.push(b.put("t", 3, `"project_id":"q"`))
	want("listed where it belongs", or3cloud.ProjectResolved, "q")
	b.push(b.put("t", 4, `"project_id":"r"`))
	want("listed where it does not", or3cloud.ProjectConflict, "r")
	project("q", 2, list(`null`))
	want("named alone", or3cloud.ProjectResolved, "r")
	many := make([]or3cloud.Op, 1200)
	for i := range many {
		many[i] = b.op(or3cloud.TableProjects, or3cloud.OpPut, fmt.Sprintf("z%04d", i), 1, `"data":[]`)
	}
	for some := range slices.Chunk(many, 100) {
		b.push(some...)
	}
	if page := b.thread("t"); page.Thread == nil || page.ProjectOwnership == or3cloud.ProjectConflict {
		t.Errorf("among many: %+v", page)
	}
}

// testLargeChats requests more than an answer carries.
func testLargeChats(t *testing.T, b chatBench) {
	const n, size = 10, 3 << 20
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("m%02d", i))
		b.push(b.message(ids[i], "t", i, "k", 1, fmt.Sprintf(`"data":{"content":%q}`, strings.Repeat("x", size))))
	}
	messages, page, err := b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatThreadPage, ThreadID: "t", Limit: 100})
	if err != nil || page.Incomplete || len(messages) != 2 || page.NextCursor == "" {
		t.Errorf("a page: %d messages, %+v, %v", len(messages), page, err)
	}
	if got := b.pages("t", "", 100); !slices.Equal(got, ids) {
		t.Errorf("pages: %v", got)
	}
	messages, page, err = b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatMessages, MessageIDs: ids})
	if most := or3cloud.ChatAnswerBytes/size + 1; err != nil || !page.Incomplete || len(messages) > most || len(messages) < most-1 {
		t.Errorf("by id: %d messages, %+v, %v", len(messages), page, err)
	}
	// A place that no cursor can name.
	long := strings.Repeat("ä", or3cloud.MaxChatCursor)
	b.push(b.message("long", "u", 1, long, 1), b.message("next", "u", 2, "k", 1))
	if messages, page, err = b.read(or3cloud.ChatQuery{Kind: or3cloud.ChatThreadPage, ThreadID: "u", Limit: 1}); err != nil || len(messages) != 1 || !page.Incomplete {
		t.Errorf("a long order key: %d messages, %+v, %v", len(messages), page, err)
	}
	if got := b.pages("u", "", 2); !slices.Equal(got, []string{"long", "next"}) {
		t.Errorf("a page with a long order key: %v", got)
	}
}

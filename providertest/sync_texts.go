package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/syncwire"
)

// everyKind fills the workspace with entries of every kind, and returns another member: rows of all tables and of
// single users, deletions, some with a payload, entries that have lost, were replaced, or are still delivered, ids that
// need quotes, texts of all sizes.
func (b *syncBench) everyKind() (another string) {
	another = must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "another"}))(b.t)
	b.join(another, or3cloud.RoleEditor)
	one := b.user
	for round := range int64(3) {
		var ops []or3cloud.Op
		for _, table := range or3cloud.SyncTables {
			for i := range 4 {
				ops = append(ops, b.op(table, or3cloud.OpPut, fmt.Sprint(table, i), round+1, fmt.Sprintf(`"user_id":%q`, one)))
			}
			ops = append(ops, b.op(table, or3cloud.OpDelete, table+"3", round+1), b.op(table, or3cloud.OpPut, table+"0", 0, fmt.Sprintf(`"user_id":%q`, one)))
		}
		for _, pk := range []string{"a \"quoted\" \\ pk", "\u2028\u00e9 \U0001f600", "</script>", strings.Repeat("long ", 50)} {
			ops = append(ops, b.put(pk, round+1, `"title":"\ud83d <&> \u2028"`, `"title":"twice"`))
		}
		large := b.put(fmt.Sprint("large ", round), 1, `"text":"`+strings.Repeat("x y ", 40_000)+`"`)
		deletion := b.del(fmt.Sprint("with a payload ", round), 1)
		deletion.Payload = []byte(`{ "why" : [ 1 , 2 ] }`)
		ops = append(ops, large, b.checked(deletion))
		b.push(ops[:len(ops)/2]...)
		b.push(ops[len(ops)/2:]...)
		b.push(b.put("alone", round+1))
		b.user = another
		b.push(b.op(or3cloud.TableNotifications, or3cloud.OpPut, fmt.Sprint("theirs ", round), 1, fmt.Sprintf(`"user_id":%q`, another)),
			b.op(or3cloud.TableNotifications, or3cloud.OpDelete, fmt.Sprint("theirs ", round-1), 2))
		b.user = one
		// The row that has a name loses it through a put of the server, which is delivered although another one
		// follows.
		b.push(b.named("holder", "wanted", 10*round+1))
		b.push(b.named("kv:wanted", "wanted", 10*round+1), b.named("holder", "another name", 10*round+9), b.named("kv:wanted", "free again", 10*round+8))
	}
	return another
}

// pageOfTexts is a page as it is sent: its entries, one by one.
type pageOfTexts struct {
	t       failer
	entries [][]byte
}

// add takes n entries that are delivered as one text.
func (p *pageOfTexts) add(text []byte, n int, entry func(*jsontext.Decoder) []byte) error {
	p.t.Helper()
	if n == 0 && len(text) == 0 {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(slices.Concat([]byte("["), text, []byte("]"))), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	must(d.ReadToken())(p.t)
	for d.PeekKind() != ']' {
		p.entries = append(p.entries, entry(d))
		n--
	}
	must(d.ReadToken())(p.t)
	if n != 0 {
		p.t.Fatalf("%d entries more were announced than are in %.300s", n, text)
	}
	return nil
}

// member reads the next member of an object, which must have a name.
func (p *pageOfTexts) member(d *jsontext.Decoder, name string) jsontext.Value {
	p.t.Helper()
	if tok := must(d.ReadToken())(p.t); tok.Kind() != '"' || tok.String() != name {
		p.t.Fatalf("there is %s, want %q", tok, name)
	}
	return slices.Clone(must(d.ReadValue())(p.t))
}

func (p *pageOfTexts) text(d *jsontext.Decoder, name string) string {
	p.t.Helper()
	text, err := jsontext.AppendUnquote(nil, p.member(d, name))
	return string(must(text, err)(p.t))
}

func (p *pageOfTexts) number(d *jsontext.Decoder, name string) (n int64) {
	p.t.Helper()
	must(0, json.Unmarshal(p.member(d, name), &n))(p.t)
	return n
}

// change reads a change, and returns it as package syncwire writes it.
func (p *pageOfTexts) change(d *jsontext.Decoder) []byte {
	p.t.Helper()
	var c or3cloud.Change
	must(d.ReadToken())(p.t)
	c.ServerVersion, c.Table, c.PK = p.number(d, "serverVersion"), p.text(d, "tableName"), p.text(d, "pk")
	c.Operation = or3cloud.Operation(p.text(d, "op"))
	next := must(d.ReadToken())(p.t).String()
	if next == "payload" {
		c.Payload = slices.Clone(must(d.ReadValue())(p.t))
		next = must(d.ReadToken())(p.t).String()
	}
	if next != "stamp" || must(d.ReadToken())(p.t).Kind() != '{' {
		p.t.Fatalf("version %d has no stamp", c.ServerVersion)
	}
	c.Stamp = or3cloud.Stamp{DeviceID: p.text(d, "deviceId"), OpID: p.text(d, "opId"), HLC: p.text(d, "hlc"), Clock: p.number(d, "clock")}
	for range "}}" {
		if kind := must(d.ReadToken())(p.t).Kind(); kind != '}' {
			p.t.Fatalf("version %d has more than a change", c.ServerVersion)
		}
	}
	if why := syncschema.Unfit(c.Payload); why != "" {
		p.t.Fatalf("version %d, which no client can take, is delivered as a text: %s", c.ServerVersion, why)
	}
	return syncwire.AppendChange(nil, &c)
}

// item reads an item of a snapshot, and returns it as package syncwire writes it.
func (p *pageOfTexts) item(d *jsontext.Decoder) []byte {
	p.t.Helper()
	var it or3cloud.SnapshotItem
	must(d.ReadToken())(p.t)
	it.Operation = or3cloud.OpPut
	if p.text(d, "kind") == "tombstone" {
		it.Operation = or3cloud.OpDelete
	}
	it.Table, it.PK = p.text(d, "tableName"), p.text(d, "pk")
	if it.Operation == or3cloud.OpPut {
		it.Payload = p.member(d, "payload")
	}
	if name := must(d.ReadToken())(p.t).String(); name != "revision" || must(d.ReadToken())(p.t).Kind() != '{' {
		p.t.Fatalf("%s %s has no revision", it.Table, it.PK)
	}
	it.Revision = or3cloud.Revision{Clock: p.number(d, "clock"), HLC: p.text(d, "hlc"), OpID: p.text(d, "opId")}
	must(d.ReadToken())(p.t)
	if it.Operation == or3cloud.OpDelete {
		it.DeletedAt = time.Unix(p.number(d, "serverDeletedAt"), 0)
	}
	if kind := must(d.ReadToken())(p.t).Kind(); kind != '}' {
		p.t.Fatalf("%s %s has more than an item", it.Table, it.PK)
	}
	return syncwire.AppendItem(nil, &it)
}

func (p *pageOfTexts) differsFrom(want [][]byte) string {
	for i := range max(len(p.entries), len(want)) {
		switch {
		case i >= len(p.entries):
			return fmt.Sprintf("entry %d is missing: %.300s", i, want[i])
		case i >= len(want):
			return fmt.Sprintf("entry %d is too much: %.300s", i, p.entries[i])
		case !bytes.Equal(p.entries[i], want[i]):
			return fmt.Sprintf("entry %d is\n%.300s\nwant\n%.300s", i, p.entries[i], want[i])
		}
	}
	return ""
}

// testTextsOfPulls checks that PullText delivers, byte for byte, what is sent with Pull: for entries of every kind,
// from every cursor, in pages of every size, for each user, before and after collections; and that what a version says
// never changes.
func testTextsOfPulls(t *testing.T, b *syncBench) {
	puller, ok := b.Sync.(or3cloud.TextPuller)
	if !ok {
		t.Skip("no TextPuller")
	}
	another := b.everyKind()
	texts := 0
	seen := map[int64][]byte{} // by version
	same := func(in or3cloud.PullRequest) or3cloud.PullPage {
		t.Helper()
		var want [][]byte
		page := must(b.Sync.Pull(b.ctx, in, func(c *or3cloud.Change) error {
			change := syncwire.AppendChange(nil, c)
			if before, ok := seen[c.ServerVersion]; ok && !bytes.Equal(change, before) {
				t.Fatalf("version %d is\n%.300s\nand was\n%.300s", c.ServerVersion, change, before)
			}
			want, seen[c.ServerVersion] = append(want, change), change
			return nil
		}))(t)
		got := pageOfTexts{t: t}
		also := must(puller.PullText(b.ctx, in, func(c *or3cloud.Change) error {
			got.entries = append(got.entries, syncwire.AppendChange(nil, c))
			return nil
		}, func(json []byte, n int) error {
			texts += n
			return got.add(json, n, got.change)
		}))(t)
		if diff := got.differsFrom(want); diff != "" || also != page {
			t.Fatalf("cursor %d, limit %d, tables %q: page %+v, want %+v; %s", in.Cursor, in.Limit, in.Tables, also, page, diff)
		}
		return page
	}
	everything := func() {
		t.Helper()
		last := b.push().ServerVersion
		for _, user := range []string{b.user, another} {
			for _, tables := range [][]string{nil, {or3cloud.TableThreads}, {or3cloud.TableKV, or3cloud.TableNotifications}, {"unknown"}} {
				for _, limit := range []int{1, 7, 1000} {
					step := int64(1)
					if limit > 1 {
						step = 5
					}
					for cursor := int64(0); cursor <= last+1; cursor += step {
						same(or3cloud.PullRequest{Scope: b.scope(), UserID: user, Cursor: cursor, Limit: limit, Tables: tables})
					}
				}
			}
		}
	}
	everything()
	if texts == 0 {
		t.Skip("there are no texts")
	}
	b.cursor("d", b.push().ServerVersion)
	b.Advance(100 * 24 * time.Hour)
	b.cursor("d", b.push().ServerVersion)
	if _, ok := b.Sync.(or3cloud.SyncCollector); ok {
		b.gc()
		everything()
	}
	// Pages end at AnswerBytes.
	size := or3cloud.AnswerBytes / 4
	for i := range 10 {
		b.push(b.put(fmt.Sprint("huge ", i), 1, `"text":"`+strings.Repeat("y", size)+`"`))
	}
	in := or3cloud.PullRequest{Scope: b.scope(), UserID: b.user, Limit: 1000}
	for more := true; more; {
		page := same(in)
		more, in.Cursor = page.HasMore, page.NextCursor
	}

	// An error of the host ends the pull.
	stop := errors.New("stop")
	in.Cursor = 0
	refuse := func(*or3cloud.Change) error { return stop }
	if _, err := puller.PullText(b.ctx, in, refuse, func([]byte, int) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v, want what the host has said", err)
	}
	in.Scope.WorkspaceID = "unknown"
	_, want := b.Sync.Pull(b.ctx, in, refuse)
	if _, err := puller.PullText(b.ctx, in, refuse, func([]byte, int) error { return stop }); or3cloud.CodeOf(err) != or3cloud.CodeOf(want) {
		t.Errorf("an unknown workspace: %v, want %v", err, want)
	}
}

// testTextsOfSnapshots checks the same for SnapshotText, while everything changes between the pages.
func testTextsOfSnapshots(t *testing.T, b *syncBench) {
	snapshotter, ok := b.Sync.(or3cloud.TextSnapshotter)
	if !ok {
		t.Skip("no TextSnapshotter")
	}
	values := b.Sync.(or3cloud.Snapshotter)
	another := b.everyKind()
	tick, texts := int64(1000), 0
	same := func(in or3cloud.SnapshotRequest) {
		t.Helper()
		textIn := in
		for n := 0; ; n++ {
			var want [][]byte
			page := must(values.Snapshot(b.ctx, in, func(it *or3cloud.SnapshotItem) error {
				want = append(want, syncwire.AppendItem(nil, it))
				return nil
			}))(t)
			got := pageOfTexts{t: t}
			also := must(snapshotter.SnapshotText(b.ctx, textIn, func(it *or3cloud.SnapshotItem) error {
				got.entries = append(got.entries, syncwire.AppendItem(nil, it))
				return nil
			}, func(json []byte, n int) error {
				texts += n
				return got.add(json, n, got.item)
			}))(t)
			if diff := got.differsFrom(want); diff != "" || also.HighWatermark != page.HighWatermark || (also.NextPageToken == "") != (page.NextPageToken == "") {
				t.Fatalf("page %d of %d, tables %q: %+v, want %+v; %s", n, in.PageSize, in.Tables, also, page, diff)
			}
			if in.PageToken, textIn.PageToken = page.NextPageToken, also.NextPageToken; in.PageToken == "" {
				return
			}
			if tick++; n < 10 {
				b.push(b.put("threads0", tick), b.put("threads1", tick), b.del("threads2", tick), b.put(fmt.Sprint("new", tick), 1), b.named("kv1", "kv1", tick))
			}
		}
	}
	for _, user := range []string{b.user, another} {
		for _, tables := range [][]string{nil, {or3cloud.TableThreads}, {or3cloud.TableKV, or3cloud.TableNotifications}} {
			for _, size := range []int{1, 7, 1000} {
				same(or3cloud.SnapshotRequest{Scope: b.scope(), UserID: user, PageSize: size, Tables: tables})
			}
		}
	}
	if texts == 0 {
		t.Skip("there are no texts")
	}
	size := or3cloud.AnswerBytes / 4
	for i := range 10 {
		b.push(b.put(fmt.Sprint("huge ", i), 1, `"text":"`+strings.Repeat("y", size)+`"`))
	}
	in := or3cloud.SnapshotRequest{Scope: b.scope(), UserID: b.user, PageSize: 1000}
	same(in)
	stop := errors.New("stop")
	_, err := snapshotter.SnapshotText(b.ctx, in, func(*or3cloud.SnapshotItem) error { return stop }, func([]byte, int) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("%v, want what the host has said", err)
	}
}

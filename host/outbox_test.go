package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/internal/clientmodel"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite"
)

// troubledStore is the real store with failures on demand.
type troubledStore struct {
	*sqlite.Store
	// before fails pushes that were not applied, after those that were: a failure between commit and answer.
	before, after atomic.Pointer[error]
}

func (s *troubledStore) Push(ctx context.Context, in or3cloud.PushRequest) (or3cloud.PushResult, error) {
	if err := s.before.Load(); err != nil {
		return or3cloud.PushResult{}, *err
	}
	res, err := s.Store.Push(ctx, in)
	if late := s.after.Load(); late != nil {
		return or3cloud.PushResult{}, *late
	}
	return res, err
}

// withTrouble registers p with a troubled store in place of its own.
func withTrouble(s *troubledStore) func(or3cloud.Provider) or3cloud.Provider {
	return func(p or3cloud.Provider) or3cloud.Provider {
		open := p.Open
		p.Open = func(ctx context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
			inst, err := open(ctx, env)
			if err == nil {
				s.Store = inst.Sync.(*sqlite.Store)
				inst.Sync = s
			}
			return inst, err
		}
		return p
	}
}

// tab is a base client's push loop against a host. Its time is the host's.
type tab struct {
	*person
	host *real
	*clientmodel.Outbox
	now  time.Time
	made int
}

func newTab(r *real, p *person) *tab {
	return &tab{person: p, host: r, Outbox: clientmodel.NewOutbox(), now: time.Now()}
}

// edit captures a change of a row and returns its op id.
func (c *tab) edit(table, pk, payload string) string {
	c.made++
	id := fmt.Sprintf("0f0e3c52-6a50-4b5e-8f3e-%012d", c.made)
	c.capture(table, pk, id, fmt.Sprintf(`{"id":%[3]q,"tableName":%[1]q,"operation":"put","pk":%[2]q,"payload":%[4]s,"stamp":{"deviceId":"1a2b3c4d","opId":%[3]q,`+
		`"hlc":"%013[5]d:000:1a2b3c4d","clock":%[5]d},"createdAt":1,"attempts":0,"status":"pending"}`, table, pk, id, payload, c.made))
	return id
}

func (c *tab) capture(table, pk, opID, text string) {
	c.Capture(clientmodel.Edit{Key: clientmodel.Key{Table: table, PK: pk}, OpID: opID, Text: text})
}

func (c *tab) post(pk, content string) string {
	return c.edit("posts", pk, fmt.Sprintf(`{"id":%q,"title":"cut \ud83d","content":%q,"post_type":"doc","deleted":false,"created_at":1,"updated_at":1,"clock":1}`, pk, content))
}

// pass lets time pass, in heartbeats, until everything is settled or the time is up.
func (c *tab) pass(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end) && c.Waiting() > 0; {
		step := time.Second
		if c.Beat(c.now, c.pushBatch) {
			step = 100 * time.Millisecond
		}
		c.now = c.now.Add(step)
		c.host.ahead.Add(int64(step))
	}
}

func (c *tab) pushBatch(batch []clientmodel.Edit) clientmodel.Answer {
	texts := make([]string, len(batch))
	for i, e := range batch {
		texts[i] = e.Text
	}
	res, body, err := c.send(c.t.Context(), "POST", "/api/sync/push",
		fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[%s]}`, c.workspace, strings.Join(texts, ",")))
	if err != nil {
		return clientmodel.Answer{Message: err.Error()}
	}
	var answer struct {
		Message string
		Results []clientmodel.EditResult
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		c.t.Errorf("%v: %s", err, body)
	}
	return clientmodel.Answer{Status: res.StatusCode, RetryAfter: res.Header.Get("Retry-After"), Message: answer.Message, Results: answer.Results}
}

// stored returns the op id of each row that a new device would have.
func (c *tab) stored() map[clientmodel.Key]string {
	c.t.Helper()
	out := map[clientmodel.Key]string{}
	for cursor, more := int64(0), true; more; {
		var page struct {
			Changes []struct {
				TableName, PK string
				Stamp         struct{ OpID string }
			}
			NextCursor int64
			HasMore    bool
		}
		c.do("POST", "/api/sync/pull", fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":%d,"limit":300}`, c.workspace, cursor), &page)
		for _, ch := range page.Changes {
			out[clientmodel.Key{Table: ch.TableName, PK: ch.PK}] = ch.Stamp.OpID
		}
		cursor, more = page.NextCursor, page.HasMore
	}
	return out
}

// checkStored compares what is stored with what was acknowledged: for each row the newest edit.
func (c *tab) checkStored() {
	c.t.Helper()
	want := map[clientmodel.Key]string{}
	for id, e := range c.Acknowledged {
		if id > want[e.Key] {
			want[e.Key] = id
		}
	}
	got := c.stored()
	for key, id := range want {
		if got[key] != id {
			c.t.Errorf("%v: acknowledged %s, stored %q", key, id, got[key])
		}
	}
	if len(got) != len(want) {
		c.t.Errorf("%d rows stored, %d acknowledged", len(got), len(want))
	}
}

// Client-behaviour §3 and Pitfall 1: whatever happens to the server, a valid edit costs its client nothing but time. No
// answer counts for the circuit breaker, nothing is given up, and nothing acknowledged is lost.
func TestNoTroubleOfOursReachesTheBreakerPitfall1(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var store troubledStore
			r := startReal(t, eventsapi.Bounds{}, withTrouble(&store), `OR3_RATE_LIMIT_OVERRIDES_JSON={"sync:push":{"maxRequests":5,"windowMs":20000}}`)
			c := newTab(r, r.register(t, "ann@example.test"))
			rnd := rand.New(rand.NewPCG(seed, 0))
			faults := []error{
				sqlitex.Translate(sqlite3.BUSY), sqlitex.Translate(sqlite3.FULL), sqlitex.Translate(sqlite3.IOERR), sqlitex.Translate(sqlite3.CORRUPT),
				errors.New("a fault that no one has thought of"), or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "The disk is full"),
				context.DeadlineExceeded,
			}
			pushes, refused := 0, 0
			push := func(batch []clientmodel.Edit) clientmodel.Answer {
				a := c.pushBatch(batch)
				if pushes++; a.Status != 200 {
					refused++
				}
				return a
			}
			for range 150 {
				for range rnd.IntN(6) {
					c.post(fmt.Sprint("p", rnd.IntN(20)), strings.Repeat("x", rnd.IntN(1000)))
				}
				store.before.Store(nil)
				store.after.Store(nil)
				switch fault := faults[rnd.IntN(len(faults))]; rnd.IntN(4) {
				case 0:
					store.before.Store(&fault)
				case 1:
					store.after.Store(&fault)
				}
				c.Beat(c.now, push)
				step := time.Duration(rnd.IntN(8000)) * time.Millisecond
				c.now = c.now.Add(step)
				r.ahead.Add(int64(step))
				if c.Breaker.Failures > 0 || len(c.GivenUp) > 0 {
					t.Fatalf("breaker at %d, given up %v", c.Breaker.Failures, c.GivenUp)
				}
			}
			store.before.Store(nil)
			store.after.Store(nil)
			c.pass(time.Hour)
			if c.Waiting() > 0 || len(c.GivenUp) > 0 || c.Breaker.Opened > 0 {
				t.Errorf("%d waiting, given up %v", c.Waiting(), c.GivenUp)
			}
			t.Logf("%d of %d pushes met trouble, %d edits acknowledged", refused, pushes, len(c.Acknowledged))
			if refused < 20 || len(c.Acknowledged) < 50 {
				t.Error("too little to prove anything")
			}
			c.checkStored()
		})
	}
}

// What older clients really send must never be too much: documents of any size, batches of the largest messages.
func TestLargeEditsCostOlderClientsNothing(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	c := newTab(r, r.register(t, "ann@example.test"))
	for i := range 60 {
		c.post(fmt.Sprint("message-sized", i), strings.Repeat("m", 61_000))
	}
	c.post("document", strings.Repeat("d", 300_000))
	c.post("huge", strings.Repeat("h", 4_100_000))
	c.pass(time.Minute)
	if c.Waiting() > 0 || len(c.GivenUp) > 0 || c.Breaker.Failures > 0 || len(c.Acknowledged) != 62 {
		t.Errorf("%d acknowledged, %d waiting, given up %v", len(c.Acknowledged), c.Waiting(), c.GivenUp)
	}
	c.checkStored()
}

// garbage are ops that no working client makes, with X and OPID as placeholders. All are refused at the first attempt.
func garbage(c *tab) map[string]string {
	const valid = `{"id":"X","tableName":"posts","operation":"put","pk":"X","payload":{"id":"X","title":"","content":"","post_type":"doc","deleted":false,` +
		`"created_at":1,"updated_at":1,"clock":1},"stamp":{"deviceId":"1a2b3c4d","opId":"OPID","hlc":"0mll3o9og:000:1a2b3c4d","clock":1}}`
	change := func(old, new string) string {
		if !strings.Contains(valid, old) {
			c.t.Fatalf("%s is not in the op", old)
		}
		return strings.Replace(valid, old, new, 1)
	}
	return map[string]string{
		"unknown table":         change(`"tableName":"posts"`, `"tableName":"users"`),
		"table of another type": change(`"tableName":"posts"`, `"tableName":7`),
		"unknown operation":     change(`"operation":"put"`, `"operation":"merge"`),
		"empty pk":              change(`"pk":"X"`, `"pk":""`),
		"broken pk":             change(`"pk":"X"`, `"pk":"\ud83d"`),
		"another pk":            change(`"pk":"X"`, `"pk":"Y"`),
		"payload is a list":     change(`"payload":{`, `"payload":[],"was":{`),
		"payload is null":       change(`"payload":{`, `"payload":null,"was":{`),
		"no payload":            change(`"payload":{`, `"was":{`),
		"no title":              change(`"title":"",`, ``),
		"title of another type": change(`"title":""`, `"title":1`),
		"oversized":             change(`"title":""`, `"title":"`+strings.Repeat("t", 4<<20)+`"`),
		"deep":                  change(`"title":""`, `"title":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)),
		"negative clock":        change(`"clock":1}}`, `"clock":-1}}`),
		"fractional clock":      change(`"clock":1}}`, `"clock":1.5}}`),
		"unsafe clock":          change(`"clock":1}}`, `"clock":9007199254740993}}`),
		"no hlc":                change(`"hlc":"0mll3o9og:000:1a2b3c4d",`, ``),
		"long hlc":              change(`0mll3o9og:000:1a2b3c4d`, strings.Repeat("h", 600)),
		"no device":             change(`"deviceId":"1a2b3c4d"`, `"deviceId":" "`),
		"foreign notification": strings.Replace(change(`"tableName":"posts"`, `"tableName":"notifications"`),
			`"title":""`, `"user_id":"someone else","type":"t","title":""`, 1),
		"kv name twice": `{"tableName":"kv","operation":"put","pk":"X","payload":{"id":"X","name":"taken","value":1,"created_at":1,"updated_at":1,"clock":1},` +
			`"stamp":{"deviceId":"1a2b3c4d","opId":"OPID","hlc":"0mll3o9og:000:1a2b3c4d","clock":1}}`,
	}
}

// Sync Pitfall 2: one bad record must not take its neighbours down. It alone is refused, at once and permanently, which
// is one counted failure in one flush; the next flush without garbage resets the count.
func TestBadOpsFallAloneWhateverIsWrongPitfall2(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	c := newTab(r, r.register(t, "ann@example.test"))
	c.edit("kv", "first", `{"id":"first","name":"taken","value":1,"created_at":1,"updated_at":1,"clock":1}`)
	c.pass(time.Minute)
	n := 0
	for name, text := range garbage(c) {
		n++
		bad := fmt.Sprintf("0f0e3c52-6a50-4b5e-9f3e-%012d", n)
		good := []string{c.post("before"+name, "x")}
		c.capture("bad", name, bad, strings.NewReplacer("OPID", bad, `"X"`, fmt.Sprintf(`"x%d"`, n)).Replace(text))
		good = append(good, c.post("after"+name, "x"))
		if !c.Beat(c.now, c.pushBatch) || c.Waiting() > 0 {
			t.Fatalf("%s: %d still wait", name, c.Waiting())
		}
		for _, id := range good {
			if _, ok := c.Acknowledged[id]; !ok {
				t.Errorf("%s: a neighbour was not acknowledged: %s", name, c.GivenUp[id])
			}
		}
		if c.GivenUp[bad] == "" || len(c.GivenUp) != n || c.Breaker.Failures != 1 {
			t.Errorf("%s: %d failures, given up %v", name, c.Breaker.Failures, c.GivenUp)
		}
		c.post("between", name)
		if c.pass(time.Minute); c.Breaker.Failures != 0 {
			t.Errorf("%s: the breaker is still at %d", name, c.Breaker.Failures)
		}
	}
	if c.Breaker.Opened > 0 {
		t.Error("the breaker opened")
	}
	c.checkStored()
}

// A whole workspace of garbage in one flush is one failure too.
func TestABatchFullOfGarbageIsOneFailure(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	c := newTab(r, r.register(t, "ann@example.test"))
	c.edit("kv", "first", `{"id":"first","name":"taken","value":1,"created_at":1,"updated_at":1,"clock":1}`)
	c.pass(time.Minute)
	n := 0
	for name, text := range garbage(c) {
		n++
		bad := fmt.Sprintf("0f0e3c52-6a50-4b5e-9f3e-%012d", n)
		c.capture("bad", name, bad, strings.NewReplacer("OPID", bad, `"X"`, fmt.Sprintf(`"x%d"`, n)).Replace(text))
		c.post("beside"+name, "x")
	}
	c.pass(time.Minute)
	if len(c.GivenUp) != n || len(c.Acknowledged) != n+1 || c.Breaker.Failures != 1 {
		t.Errorf("%d given up, %d acknowledged, breaker at %d", len(c.GivenUp), len(c.Acknowledged), c.Breaker.Failures)
	}
	c.checkStored()
}

// What does open the breaker, because the client counts it whatever we answer: garbage in five flushes in a row, and
// edits of someone who may not write. A reused op id stops one short of it. An op without a UUID as its id cannot be
// named in the answer and is tried four times as well.
func TestWhatOpensTheBreakerIsTheClientsOwn(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	ann := r.register(t, "ann@example.test")
	t.Run("garbage in five flushes", func(t *testing.T) {
		c := newTab(r, ann)
		for i := range 5 {
			bad := fmt.Sprintf("0f0e3c52-6a50-4b5e-9f3e-%012d", i)
			c.capture("bad", fmt.Sprint(i), bad, fmt.Sprintf(`{"tableName":"users","stamp":{"opId":%q}}`, bad))
			c.Beat(c.now, c.pushBatch)
		}
		if c.Breaker.Opened != 1 || len(c.GivenUp) != 5 {
			t.Errorf("%+v", c.Outbox)
		}
	})
	t.Run("reused op id", func(t *testing.T) {
		c := newTab(r, ann)
		id := c.post("one", "x")
		c.pass(time.Minute)
		c.made--
		if again := c.post("two", "y"); again != id {
			t.Fatal(again)
		}
		good := c.post("three", "z")
		c.pass(time.Minute)
		if _, ok := c.Acknowledged[good]; !ok || c.Breaker.Opened > 0 || c.Breaker.Failures != 4 || !strings.Contains(c.GivenUp[id], "CONFLICT") {
			t.Errorf("%+v", c.Outbox)
		}
	})
	t.Run("no op id", func(t *testing.T) {
		c := newTab(r, ann)
		c.made = 100
		c.capture("bad", "x", "not a UUID", `{"tableName":"posts","operation":"put","pk":"x","payload":{},"stamp":{"opId":"not a UUID"}}`)
		good := c.post("four", "z")
		c.pass(time.Minute)
		if _, ok := c.Acknowledged[good]; !ok || c.Breaker.Opened > 0 || len(c.GivenUp) != 1 {
			t.Errorf("%+v", c.Outbox)
		}
	})
	t.Run("may not write", func(t *testing.T) {
		stranger := r.register(t, "eve@example.test")
		stranger.workspace = ann.workspace
		c := newTab(r, stranger)
		for range 5 {
			c.post("x", "y")
			c.pass(time.Minute)
		}
		if c.Breaker.Opened == 0 || len(c.Acknowledged) > 0 {
			t.Errorf("%+v", c.Outbox)
		}
	})
}

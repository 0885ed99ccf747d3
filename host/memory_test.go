package host

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/patience"
)

// held waits until enough memory is held by requests, and returns how much that is.
func (r *real) held(t testing.TB, what string, enough func(int64) bool) (now int64) {
	t.Helper()
	patience.Until(t, what, func() bool {
		now, _ = r.memory.Held()
		return enough(now)
	})
	return now
}

func nothing(n int64) bool { return n == 0 }

// open sends the head of a POST request and part of its body, and leaves the connection open.
func (r *real) open(t testing.TB, path string, cookies []*http.Cookie, announced int, body string) net.Conn {
	t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10) // what is not read must not stay in the kernel
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", path, u.Host, announced)
	for _, c := range cookies {
		fmt.Fprintf(&head, "Cookie: %s=%s\r\n", c.Name, c.Value)
	}
	if _, err := io.WriteString(conn, head.String()+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
	return conn
}

func (p *person) cookies() []*http.Cookie {
	u, err := url.Parse(p.url + "/api/sync/push")
	if err != nil {
		p.t.Fatal(err)
	}
	return p.client.Jar.Cookies(u)
}

// begin is the text of a push up to its ops, followed by n bytes of white space.
func (p *person) begin(n int) string {
	return fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[`, p.workspace) + strings.Repeat(" ", n)
}

// large is a push of n bytes of white space and one row.
func (p *person) large(n, row int) string { return p.begin(n) + kvOp(row, row) + "]}" }

// Connections that announce a large body and send nothing hold nothing, and no one waits for them.
func TestAnnouncedBodiesBlockNoOne(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	p := r.register(t, "ann@example.org")
	for range 8 {
		r.open(t, "/api/sync/push", p.cookies(), 64<<20, "{")
	}
	p.do("POST", "/api/sync/push", p.large(8<<20, 1), nil)
	r.held(t, "8 idle connections hold little", func(n int64) bool { return n <= 8*httpapi.UnknownBody })
}

// Unknown callers make us hold at most 64 KiB per connection, and anything larger is answered without being read.
func TestUnknownCallersHoldLittle(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	const connections = 100
	var open []net.Conn
	for range connections {
		open = append(open, r.open(t, "/api/sync/push", nil, httpapi.UnknownBody, "{"+strings.Repeat(" ", httpapi.UnknownBody-2)))
	}
	sent := int64(connections * (httpapi.UnknownBody - 1))
	if now := r.held(t, "all has arrived", func(n int64) bool { return n >= sent }); now > connections*(httpapi.UnknownBody+1) {
		t.Errorf("%d connections hold %d bytes", connections, now)
	}
	for _, conn := range open {
		conn.Close()
	}
	r.held(t, "nothing is held by connections that are gone", nothing)
	for _, announced := range []int{httpapi.UnknownBody + 1, 200 << 10, 1 << 20} {
		conn := r.open(t, "/api/sync/push", nil, announced, "{")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusUnauthorized || !res.Close {
			t.Errorf("a body of %d bytes of no one: %v %v", announced, res, err)
		}
	}
}

// One user's half-sent pushes, however many, leave the others their memory.
func TestStalledPushesOfOneUserStarveNoOne(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	greedy, other := r.register(t, "greedy@example.org"), r.register(t, "other@example.org")
	body := greedy.begin(12 << 20)
	var open []net.Conn
	for range 8 {
		u, _ := url.Parse(r.url)
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		defer conn.Close()
		go func() { // it may not be read to its end
			fmt.Fprintf(conn, "POST /api/sync/push HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", u.Host, 60<<20)
			for _, c := range greedy.cookies() {
				fmt.Fprintf(conn, "Cookie: %s=%s\r\n", c.Name, c.Value)
			}
			_, _ = io.WriteString(conn, "\r\n"+body)
		}()
	}
	r.held(t, "the stalled pushes hold much", func(n int64) bool { return n > 64<<20 })
	other.do("POST", "/api/sync/push", other.large(20<<20, 1), nil)
	other.push(2)
	if _, peak := r.memory.Held(); peak > r.memory.Total() {
		t.Errorf("at most %d bytes were held, of %d", peak, r.memory.Total())
	}
	for _, conn := range open {
		conn.Close()
	}
	r.held(t, "nothing is held by connections that are gone", nothing)
}

// Parallel pushes of the largest kind stay within the budget. Those for which there is no memory are told to try again,
// and all succeed in the end.
func TestParallelLargePushesStayWithinTheBudget(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	p := r.register(t, "ann@example.org")
	const pushes, size = 4, 55 << 20
	done := make(chan error, pushes)
	for i := range pushes {
		body := []byte(p.large(size, i+1))
		go func() {
			for {
				res, text, err := p.send(t.Context(), "POST", "/api/sync/push", string(body))
				switch {
				case err != nil:
					done <- err
					return
				case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
					continue
				case res.StatusCode != http.StatusOK:
					err = fmt.Errorf("%d %.300s", res.StatusCode, text)
				}
				done <- err
				return
			}
		}()
	}
	for range pushes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if now, peak := r.memory.Held(); now != 0 || peak < size || peak > r.memory.Total() {
		t.Errorf("%d bytes are held, at most %d were, of %d", now, peak, r.memory.Total())
	}
}

// A small push that loses many times against a large row gets a small answer, which is held once while it is not read.
func TestLosersDoNotAmplify(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	p := r.register(t, "ann@example.org")
	const row = 3_900_000
	p.do("POST", "/api/sync/push", fmt.Sprintf(
		`{"scope":{"workspaceId":%q},"ops":[{"tableName":"kv","operation":"put","pk":"k","payload":{"id":"k","name":"n","value":%q,"created_at":1,"updated_at":1,"clock":9},`+
			`"stamp":{"deviceId":"d","opId":"0f0e3c52-6a50-4b5e-8f3e-000000000000","hlc":"h","clock":9}}]}`, p.workspace, strings.Repeat("x", row)), nil)
	var ops []string
	for i := range 200 {
		ops = append(ops, fmt.Sprintf(`{"tableName":"kv","operation":"delete","pk":"k","stamp":{"deviceId":"d","opId":"0f0e3c52-6a50-4b5e-8f3e-%012d","hlc":"h","clock":1}}`, i+1))
	}
	body := p.begin(0) + strings.Join(ops, ",") + "]}"
	for _, kind := range []string{"first", "repeated"} {
		res, text, err := p.send(t.Context(), "POST", "/api/sync/push", body)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		if bound := 2 * (or3cloud.AnswerBytes + row + row/10); len(text) > bound {
			t.Errorf("%s: an answer of %d bytes", kind, len(text))
		}
		var answer struct {
			Results []struct {
				Success           bool
				Applied, Replayed *bool
				Winner            json.RawMessage
			}
		}
		if err := json.Unmarshal(text, &answer); err != nil || len(answer.Results) != 200 {
			t.Fatal(len(answer.Results), err)
		}
		winners := 0
		for i, res := range answer.Results {
			if res.Winner != nil {
				winners++
			}
			if plain := res.Applied == nil && res.Replayed == nil; !res.Success || plain != (res.Winner == nil) {
				t.Fatalf("%s, op %d: %+v", kind, i, res)
			}
		}
		if winners == 0 || answer.Results[0].Winner == nil {
			t.Errorf("%s: no loser was told its winner", kind)
		}
	}
	// Ten of them whose answers are not read hold their winners, and no more.
	for range 10 {
		r.open(t, "/api/sync/push", p.cookies(), len(body), body)
	}
	if now := r.held(t, "ten answers are on their way", func(n int64) bool { return n > 10*row }); now > 10*(row+1<<20) {
		t.Errorf("ten unread answers hold %d bytes", now)
	}
}

// Pages that are not read count as long as that lasts, for their user alone.
func TestUnreadPagesStayWithinTheShareOfTheirUser(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	greedy, other := r.register(t, "greedy@example.org"), r.register(t, "other@example.org")
	for _, p := range []*person{greedy, other} {
		for i := range 3 {
			op := strings.Replace(kvOp(i+1, i+1), `"value":"v"`, `"value":"`+strings.Repeat("x", 3_900_000)+`"`, 1)
			p.do("POST", "/api/sync/push", p.begin(0)+op+"]}", nil)
		}
	}
	pull := fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":1000}`, greedy.workspace)
	for range 40 {
		r.open(t, "/api/sync/pull", greedy.cookies(), len(pull), pull)
	}
	r.held(t, "the unread pages hold much", func(n int64) bool { return n > 48<<20 })
	var page struct {
		Changes []json.RawMessage
		HasMore bool
	}
	other.do("POST", "/api/sync/pull", fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":1000}`, other.workspace), &page)
	if len(page.Changes) != 2 || !page.HasMore {
		t.Errorf("another user's page: %d changes, more: %t", len(page.Changes), page.HasMore)
	}
	if _, peak := r.memory.Held(); peak > r.memory.Total() {
		t.Errorf("at most %d bytes were held, of %d", peak, r.memory.Total())
	}
}

// The memory of requests is released, however they end.
func TestEveryRequestGivesItsMemoryBack(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	p := r.register(t, "ann@example.org")
	for _, c := range []struct{ path, body string }{
		{"/api/sync/push", p.large(1<<20, 1)},
		{"/api/sync/push", p.begin(1 << 20)},
		{"/api/sync/push", strings.Repeat(" ", 64<<20+1)},
		{"/api/sync/pull", fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":10}`, p.workspace)},
		{"/api/sync/pull", strings.Repeat("x", 20<<10)},
		{"/api/sync/snapshot", fmt.Sprintf(`{"scope":{"workspaceId":%q},"pageSize":10}`, p.workspace)},
		{"/api/workspaces", `{"name":"x"}`},
		{"/api/basic-auth/sign-in", `{"email":"x"}`},
	} {
		_, _, _ = p.send(t.Context(), "POST", c.path, c.body) // the answer to a refused body may be lost
		r.held(t, c.path+" leaves nothing", nothing)
	}
}

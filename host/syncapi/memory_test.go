package syncapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/syncwire"
)

// begun returns an answer without limits.
func begun(text string) answer {
	a, err := newAnswer(context.Background(), new(membudget.Tab), text)
	if err != nil {
		panic(err)
	}
	return a
}

func (a *answer) string() string { return string(bytes.Join(append(a.full, a.text), nil)) }

// hog takes all memory but that of pockets and the reserve.
func hog(t *testing.T, b *membudget.Budget) *membudget.Tab {
	t.Helper()
	var hogs [24]membudget.Tab // each takes half of what is left
	for i := range hogs {
		hogs[i].Open(b, func() (string, bool, error) { return fmt.Sprint("hog ", i), true, nil })
		for hogs[i].TryGrow(1 << 20) {
		}
		for hogs[i].TryGrow(1 << 10) {
		}
	}
	t.Cleanup(func() {
		for i := range hogs[1:] {
			hogs[1+i].Close()
		}
	})
	return &hogs[0]
}

// Running out of memory is a 503, which clients repeat, and a push that has got memory returns it.
func TestLargePushesShareTheirMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, budget := hosttest.Member(or3cloud.RoleOwner), membudget.New(200<<20)
		router := owner.Share(hosttest.Router(t, routes(owner, &adapter{})), budget)
		send := func() (int, http.Header) {
			w := hosttest.Serve(router, hosttest.NewRequest("POST", "/api/sync/push", pushOf()+strings.Repeat(" ", 1<<20)))
			return w.Code, w.Header()
		}
		held := hog(t, budget)
		var last membudget.Tab // of requests beyond the common part
		last.Open(budget, func() (string, bool, error) { return "last", true, nil })
		if err := last.Grow(t.Context(), 1<<20); err != nil {
			t.Fatal(err)
		}
		before, _ := budget.Held()
		if code, header := send(); code != 503 || header.Get("Retry-After") == "" {
			t.Errorf("%d %v", code, header)
		}
		if now, _ := budget.Held(); now != before {
			t.Errorf("a refused push holds %d bytes", now-before)
		}
		held.Close()
		before, _ = budget.Held()
		for range 2 { // what was taken is returned
			if code, _ := send(); code != 200 {
				t.Error(code)
			}
		}
		if now, _ := budget.Held(); now != before {
			t.Errorf("%d bytes were not given back", now-before)
		}
		last.Close()
	})
}

// A push that was accepted is answered whatever memory there is: without memory, its losers are plain successes.
func TestWinnersGoWhereThereIsNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		winner := &or3cloud.Winner{Operation: or3cloud.OpPut, Payload: bytes.Repeat([]byte(" "), 4<<20), Revision: or3cloud.Revision{Clock: 2, HLC: "h", OpID: "w"}}
		owner, budget := hosttest.Member(or3cloud.RoleOwner), membudget.New(200<<20)
		a := &adapter{push: func(in or3cloud.PushRequest) (out or3cloud.PushResult, err error) {
			for _, op := range in.Ops {
				out.Results = append(out.Results, or3cloud.OpResult{OpID: op.Stamp.OpID, Success: true, ServerVersion: 1, Replayed: true, Winner: winner})
			}
			return out, nil
		}}
		router := owner.Share(hosttest.Router(t, routes(owner, a)), budget)
		send := func() string {
			w := hosttest.Serve(router, hosttest.NewRequest("POST", "/api/sync/push", pushOf(kv(1, kvPayload(1)))))
			if w.Code != 200 {
				t.Fatal(w.Code, w.Body)
			}
			return w.Body.String()
		}
		if !strings.Contains(send(), `"winner"`) {
			t.Error("a winner is missing although there is memory")
		}
		hog(t, budget)
		if got := send(); strings.Contains(got, "winner") || strings.Contains(got, "applied") || strings.Contains(got, "replayed") || !strings.Contains(got, `"success":true`) {
			t.Errorf("%.300s", got)
		}
	})
}

// However often an answer names a winner, its payload is held once.
func TestAnswersShareTheirWinners(t *testing.T) {
	w := &or3cloud.Winner{Operation: or3cloud.OpPut, Payload: bytes.Repeat([]byte("x"), 1<<20)}
	res := or3cloud.PushResult{}
	for range 100 {
		res.Results = append(res.Results, or3cloud.OpResult{OpID: "a", Success: true, ServerVersion: 1, Winner: w})
	}
	a := begun("")
	a.encodePush(res)
	copied, named := 0, 0
	for _, piece := range append(a.full, a.text) {
		if len(piece) > 0 && len(piece) == len(w.Payload) && &piece[0] == &w.Payload[0] {
			named++
		} else {
			copied += len(piece)
		}
	}
	if named != 200 || copied > 100*syncwire.ItemRoom {
		t.Errorf("%d references and %d copied bytes", named, copied)
	}
}

// A page that finds no memory while the store is being read is read again when there is some, and is complete.
func TestPagesWaitForMemoryOutsideOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, budget := hosttest.Member(or3cloud.RoleOwner), membudget.New(200<<20)
		row := []byte(`"` + strings.Repeat("x", 300<<10) + `"`)
		reads, reading := 0, false
		a := &adapter{pull: func(_ or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
			reads++
			reading = true
			defer func() { reading = false }()
			for v := range int64(3) {
				if err := emit(&or3cloud.Change{ServerVersion: v + 1, Table: "kv", PK: "k", Operation: or3cloud.OpPut, Payload: row}); err != nil {
					return or3cloud.PullPage{}, err
				}
			}
			return or3cloud.PullPage{NextCursor: 3}, nil
		}}
		router := owner.Share(hosttest.Router(t, routes(owner, a)), budget)
		held := hog(t, budget)
		var last membudget.Tab
		last.Open(budget, func() (string, bool, error) { return "last", true, nil })
		if err := last.Grow(t.Context(), 1<<20); err != nil {
			t.Fatal(err)
		}
		body := make(chan string)
		go func() {
			w := hosttest.Serve(router, hosttest.NewRequest("POST", "/api/sync/pull", `{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10}`))
			body <- w.Body.String()
		}()
		synctest.Wait()
		if reads != 1 || reading {
			t.Fatalf("%d reads, still reading: %t", reads, reading)
		}
		held.Close()
		if got := <-body; reads != 2 || strings.Count(got, `"serverVersion"`) != 3 || strings.Count(got, "xxxx") == 0 {
			t.Errorf("%d reads, %d bytes", reads, len(got))
		}
		last.Close()
	})
}

// Unknown callers make the host hold at most 64 KiB, announced or not, and get the contract's answers below that.
func TestUnknownCallersHoldLittle(t *testing.T) {
	nobody := &hosttest.Host{}
	for _, announced := range []bool{true, false} {
		for _, c := range []struct {
			size   int
			status int
		}{
			{len("{}"), 400}, {httpapi.UnknownBody, 400}, {httpapi.UnknownBody + 1, 401}, {1 << 20, 401}, {MaxPushBody + 1, 401},
		} {
			budget := membudget.New(200 << 20)
			router := nobody.Share(hosttest.Router(t, routes(nobody, &adapter{})), budget)
			read := &counter{Reader: strings.NewReader("{}" + strings.Repeat(" ", c.size-2))}
			r := hosttest.NewRequest("POST", "/api/sync/push", "{}")
			r.Body, r.ContentLength = io.NopCloser(read), -1
			if announced {
				r.ContentLength = int64(c.size)
			}
			w := hosttest.Serve(router, r)
			if w.Code != c.status || read.n > httpapi.UnknownBody+1 {
				t.Errorf("%d bytes, announced: %t: status %d, %d bytes read", c.size, announced, w.Code, read.n)
			}
			if now, _ := budget.Held(); now != 0 {
				t.Errorf("%d bytes are held after the request", now)
			}
		}
	}
}

type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

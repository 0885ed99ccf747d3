//go:build unix

package host

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/internal/patience"
)

// Five thousand idle listeners: what each costs in memory, and all of them in processor time. The race detector
// multiplies both, so with it there are fewer.
func TestFiveThousandIdleListeners(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	listeners := 5000
	if raceEnabled {
		listeners = 500
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) < uint64(2*listeners+100) {
		t.Skipf("needs %d open files, may have %d (%v)", 2*listeners+100, limit.Cur, err)
	}
	r := startReal(t, eventsapi.Bounds{PerUser: listeners}, nil)
	p := r.register(t, "ann@example.test")
	request := rawRequest(t, p)
	address := strings.TrimPrefix(r.url, "http://")

	before := memory()
	conns := make([]net.Conn, listeners)
	var wg sync.WaitGroup
	for worker := range 50 {
		wg.Go(func() {
			for i := worker; i < listeners; i += 50 {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = c
				if _, err := io.WriteString(c, request); err != nil {
					t.Error(err)
					return
				}
				if err := readUntil(c, `"serverVersion":0}`); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	if t.Failed() {
		return
	}
	idle := memory() // collects twice, which also releases the stacks that requests have grown
	const watchFor = 5 * time.Second
	busy := processorTime(t)
	time.Sleep(watchFor)
	busy = processorTime(t) - busy
	t.Logf("%d idle listeners: %.1f KiB each, client side included; %.1f %% of one processor, each checked every second",
		listeners, float64(idle-before)/1024/float64(listeners), 100*busy.Seconds()/watchFor.Seconds())

	begun := time.Now()
	p.push(1)
	for worker := range 50 {
		wg.Go(func() {
			for i := worker; i < listeners; i += 50 {
				if err := readUntil(conns[i], `"serverVersion":1}`); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("a change has reached all of them after %v", time.Since(begun))
}

// rawRequest is p's request for a stream, as text.
func rawRequest(t *testing.T, p *person) string {
	u, err := url.Parse(p.url + "/api/sync/events?workspaceId=" + p.workspace)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", u.RequestURI(), u.Host)
	for _, c := range p.client.Jar.Cookies(u) {
		fmt.Fprintf(&b, "Cookie: %s=%s\r\n", c.Name, c.Value)
	}
	return b.String() + "\r\n"
}

func readUntil(c net.Conn, text string) error {
	if err := c.SetReadDeadline(time.Now().Add(patience.Limit)); err != nil {
		return err
	}
	var seen []byte
	buf := make([]byte, 1024)
	for {
		n, err := c.Read(buf)
		seen = append(seen, buf[:n]...)
		if strings.Contains(string(seen), text) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w after %q", err, seen)
		}
	}
}

// memory returns the bytes that are in use on heap and stacks.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

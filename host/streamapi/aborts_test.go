package streamapi

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
)

// Ten thousand clients that disconnect, before the answer has begun and in the middle of it, leave nothing behind: no
// goroutine, for which the bubble would not end, no connection, no seat and no memory.
func TestTenThousandAborts(t *testing.T) {
	const aborts = 10_000
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		asked := make(chan struct{})
		begins := false
		s.upstream = func(w http.ResponseWriter, r *http.Request) {
			if begins {
				control := events(w)
				_, _ = io.WriteString(w, event)
				_ = control.Flush()
			} else {
				asked <- struct{}{}
			}
			<-r.Context().Done()
		}
		abort := func(n int) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			synctest.Wait()
			if begins = n%2 == 0; !begins {
				go func() {
					<-asked
					stop()
				}()
			}
			res, err := s.client.Do(s.request(ctx, chat))
			if !begins {
				if err == nil {
					t.Fatal("an answer has begun")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(res.Body, make([]byte, len(event))); err != nil {
				t.Fatal(err)
			}
			stop()
			res.Body.Close()
		}
		held := func() uint64 {
			time.Sleep(5 * time.Minute) // for the deadlines of pipes, which outlive them
			synctest.Wait()
			s.log.reset()
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc + m.StackInuse
		}
		for n := range 100 {
			abort(n)
		}
		goroutines, before := runtime.NumGoroutine(), held()
		for n := range aborts {
			abort(n)
		}
		after := held()
		if its, all := s.api.seats.Taken("user:user"); its+all > 0 {
			t.Errorf("%d seats are taken", all)
		}
		if now := runtime.NumGoroutine(); now > goroutines+10 {
			t.Errorf("%d goroutines, %d before", now, goroutines)
		}
		if after > before+4<<20 {
			t.Errorf("%d bytes, %d before", after, before)
		}
		t.Logf("%d goroutines before and %d after, %d KiB before and %d KiB after", goroutines, runtime.NumGoroutine(), before>>10, after>>10)
	})
}

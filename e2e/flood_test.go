package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"or3.chat/cloud/internal/patience"
)

// floodSize is how many wrong sign-ins are under way at once.
const floodSize = 10_000

// floodMemory limits the memory of the server in a flood, and floodGrowth what another flood like the one before may
// add to it. A single one can add more, depending on when the garbage collector ran in it; what is kept of each request
// adds up. A connection costs net/http some 12 KiB whatever is sent over it, a password that is being hashed 19 MiB,
// and the garbage collector lets the heap double. Hashing all the passwords at once would take 190 GiB.
const (
	floodMemory = 768 << 20
	floodGrowth = 64 << 20
)

// address returns the i-th of many network addresses, each in a /64 of its own.
func address(i int) string { return fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff) }

// TestFloodOfWrongSignIns sends 10,000 wrong sign-ins at once, each from another address, against one account and then
// against as many, and both again and again. The server answers all of them, keeps its memory, continues to serve users
// who are signed in, and lets the owner of the attacked account in from an address of their own (2.3; requirement 9.1).
func TestFloodOfWrongSignIns(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures memory, which the race detector multiplies")
	}
	srv := startServer(t, withEnv("OR3_TRUST_PROXY", "true"), withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	owner := newDevice(t, srv, "owner")
	owner.register("owner@example.test")

	one := func(int) string { return "owner@example.test" }
	many := func(i int) string { return fmt.Sprintf("nobody%d@example.test", i) }
	rounds := []struct {
		name  string
		email func(i int) string
	}{{"one account", one}, {"many accounts", many}, {"one account again", one}, {"many accounts again", many}, {"one account once more", one}}
	var peaks []int64
	for _, kind := range rounds {
		before := srv.memory("VmHWM")
		f := startFlood(srv, func(i int) string {
			return fmt.Sprintf(`{"email":%q,"password":"wrong password %d"}`, kind.email(i), i)
		})
		<-f.underWay
		entering := make(chan int, 1)
		go func() {
			entering <- newDevice(t, srv, "the owner elsewhere").enter("owner@example.test", "203.0.113.9", f)
		}()
		served := 0
		for !f.finished() {
			owner.mustSession()
			served++
		}
		answers, entered := f.wait(), <-entering
		peak := srv.memory("VmHWM")
		t.Logf("%s: answers %v; memory %d MiB at the most, +%d MiB; %d requests of a signed-in user meanwhile; the owner got in at attempt %d",
			kind.name, answers, peak>>20, (peak-before)>>20, served, entered)
		for status := range answers {
			if !slices.Contains([]int{401, 429, 503}, status) {
				t.Errorf("%s: %d answers %d", kind.name, answers[status], status)
			}
		}
		if peak > floodMemory {
			t.Errorf("%s: the server took %d MiB", kind.name, peak>>20)
		}
		peaks = append(peaks, peak)
	}
	// The first two have warmed up connections and collector.
	if repeated := int64(len(peaks) - 2); peaks[len(peaks)-1]-peaks[1] > repeated*floodGrowth {
		t.Errorf("%d floods more let the memory grow from %d to %d MiB", repeated, peaks[1]>>20, peaks[len(peaks)-1]>>20)
	}
}

// flood is many requests that are under way at once.
type flood struct {
	underWay chan struct{} // closed when the first half has been sent
	done     chan struct{}
	mu       sync.Mutex
	answers  map[int]int // by status; 0 for a broken connection
}

// startFlood sends floodSize sign-ins, each over its own connection and from its own address.
func startFlood(srv *server, body func(i int) string) *flood {
	f := &flood{underWay: make(chan struct{}), done: make(chan struct{}), answers: map[int]int{}}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: patience.Limit}).DialContext}
	client := &http.Client{Transport: transport, Timeout: patience.Limit}
	var sent atomic.Int64
	var wg sync.WaitGroup
	for i := range floodSize {
		wg.Go(func() {
			r, err := http.NewRequest("POST", srv.url+"/api/basic-auth/sign-in", strings.NewReader(body(i)))
			if err != nil {
				panic(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Forwarded-For", address(i))
			if sent.Add(1) == floodSize/2 {
				close(f.underWay)
			}
			status := 0
			if res, err := client.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				status = res.StatusCode
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.answers[status]++
		})
	}
	go func() {
		wg.Wait()
		close(f.done)
	}()
	return f
}

func (f *flood) finished() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

func (f *flood) wait() map[int]int {
	<-f.done
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.answers)
}

// enter signs in with the right password during a flood, trying again as a person does who reads "try again in a
// moment", and returns how many attempts it took. How long the flood lasts depends on the machine; an attempt after its
// end succeeds.
func (d *device) enter(email, from string, during *flood) int {
	t := d.t
	t.Helper()
	header := jsonHeader.Clone()
	header.Set("X-Forwarded-For", from)
	body := encode(t, obj{"email": email, "password": password})
	for attempt := 1; ; attempt++ {
		over := during.finished()
		r, err := d.send(t.Context(), "POST", "/api/basic-auth/sign-in", body, header)
		switch {
		case err != nil:
			t.Error(err)
			return 0
		case r.status == 200:
			return attempt
		case r.status != 503 || over:
			t.Errorf("attempt %d: %s", attempt, r)
			return 0
		}
		wait, _ := strconv.Atoi(r.header.Get("Retry-After"))
		pause(t.Context(), time.Duration(max(1, wait))*time.Second)
	}
}

// pause waits as long as the server's Retry-After says.
func pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// memory returns a figure of the process in bytes, from /proc.
func (s *server) memory(figure string) int64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Skip("no /proc here")
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, figure+":"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return kib << 10
		}
	}
	s.t.Fatalf("no %s in /proc", figure)
	return 0
}

// timingPairs is how many sign-ins of each kind TestTimeDoesNotTellAccounts compares.
const timingPairs = 200

// TestTimeDoesNotTellAccounts measures wrong sign-ins to accounts that exist and to addresses without one, in turn, and
// compares the two samples by rank: A is the probability that a sign-in to a known account takes longer than one to an
// unknown address (Mann and Whitney). Without a difference A is 0.5, with a standard deviation of √((2n+1)/12)/n =
// 0.029 for n = 200. The test allows four standard deviations, so that it finds a difference that reveals one account
// in eight sign-ins, and chance fails one run in 16,000. It compares two samples of one run and no absolute time.
func TestTimeDoesNotTellAccounts(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures time, which the race detector changes")
	}
	srv := startServer(t, withEnv("OR3_TRUST_PROXY", "true"))
	for i := range 20 { // a few for each, so that no account meets its own limits
		newDevice(t, srv, "A").registerFrom(fmt.Sprintf("known%d@example.test", i), address(90_000+i))
	}
	d := newDevice(t, srv, "the attacker")
	measure := func(i int, email string) float64 {
		header := jsonHeader.Clone()
		header.Set("X-Forwarded-For", address(i))
		body := encode(t, obj{"email": email, "password": "a wrong password"})
		started := time.Now()
		r := d.do("POST", "/api/basic-auth/sign-in", body, header)
		took := time.Since(started)
		if r.status != 401 || r.message() != "Invalid credentials" {
			t.Fatalf("%s: %s", email, r)
		}
		return took.Seconds()
	}
	for i := range 10 { // the first ones meet cold caches
		measure(80_000+i, fmt.Sprintf("known%d@example.test", i))
		measure(81_000+i, fmt.Sprintf("unknown%d@example.test", i))
	}
	var known, unknown []float64
	for i := range timingPairs {
		a := func() { known = append(known, measure(2*i, fmt.Sprintf("known%d@example.test", i%20))) }
		b := func() { unknown = append(unknown, measure(2*i+1, fmt.Sprintf("unknown%d@example.test", i%20))) }
		if i%2 == 0 {
			a, b = b, a
		}
		a()
		b()
	}
	wins := 0.0
	for _, x := range known {
		for _, y := range unknown {
			switch {
			case x > y:
				wins++
			case x == y:
				wins += 0.5
			}
		}
	}
	n := float64(timingPairs)
	chance, deviation := wins/(n*n), math.Sqrt((2*n+1)/12)/n
	slices.Sort(known)
	slices.Sort(unknown)
	t.Logf("A = %.3f (0.5 ± %.3f), medians %.2f and %.2f ms", chance, deviation, 1000*known[timingPairs/2], 1000*unknown[timingPairs/2])
	if math.Abs(chance-0.5) > 4*deviation {
		t.Errorf("time tells known from unknown accounts: A = %.3f", chance)
	}
}

// registerFrom is register from another network address.
func (d *device) registerFrom(email, from string) {
	d.t.Helper()
	header := jsonHeader.Clone()
	header.Set("X-Forwarded-For", from)
	r := d.do("POST", "/api/basic-auth/register", encode(d.t, obj{"email": email, "password": password, "confirmPassword": password}), header)
	if r.status != 200 {
		d.t.Fatalf("register %s: %s", email, r)
	}
}

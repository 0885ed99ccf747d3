package host

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/host/internal/traffic"
	"or3.chat/cloud/host/load"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/metric"
)

const metricsToken = "a token for metrics that is long enough"

// scrape requests the metrics and returns the answer.
func (p *person) scrape(method, authorization string) (*http.Response, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	req.Host = "prometheus-sees-us-under-this-name.test"
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(text)
}

func TestMetricsNeedTheToken(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, "OR3_METRICS_TOKEN="+metricsToken, "OR3_FORCE_HTTPS=true")
	p := r.visitor(t)
	for _, c := range []struct {
		method, authorization string
		want                  int
	}{
		{"GET", "", 401}, {"GET", "Bearer", 401}, {"GET", "Bearer x", 401}, {"GET", "Basic " + metricsToken, 401}, {"GET", metricsToken, 401},
		{"GET", "Bearer " + metricsToken + "x", 401}, {"GET", "Bearer " + metricsToken, 200}, {"GET", "bearer  " + metricsToken, 200},
		{"HEAD", "Bearer " + metricsToken, 200}, {"POST", "Bearer " + metricsToken, 404},
	} {
		res, text := p.scrape(c.method, c.authorization)
		if res.StatusCode != c.want {
			t.Errorf("%s with %q: %d %s", c.method, c.authorization, res.StatusCode, text)
		}
		if found := strings.Contains(text, "or3_cloud_ready 1"); found != (c.want == 200 && c.method == "GET") {
			t.Errorf("%s with %q: %s", c.method, c.authorization, text)
		}
		if c.want == 401 && !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("with %q: no scheme is named", c.authorization)
		}
	}
	off := startReal(t, eventsapi.Bounds{}, nil).visitor(t)
	for _, authorization := range []string{"", "Bearer ", "Bearer " + metricsToken} {
		if res, text := off.scrape("GET", authorization); res.StatusCode != 404 || strings.Contains(text, "or3_cloud_") {
			t.Errorf("without a token, with %q: %d %s", authorization, res.StatusCode, text)
		}
	}
}

// TestLabelsAreNothingThatARequestHasChosen sends requests full of a word, and looks for it and for every id in the
// labels.
func TestLabelsAreNothingThatARequestHasChosen(t *testing.T) {
	const word = "zzword"
	r := startReal(t, eventsapi.Bounds{}, nil, superAdmin...)
	ann := r.register(t, word+"@example.test")
	ann.push(1)
	ann.client.Transport = &http.Transport{} // no description knows of the bodies that it sends from here on
	routes := append(r.running.Load().router.Routes(), r.health.Routes()...)
	known := []string{traffic.Client, "other", metricsPath}
	for round := range 3 {
		some := fmt.Sprint(word, round)
		for _, path := range []string{"/" + some, "/api/" + some, "/api/sync/" + some, "/api/jobs/" + some + "/status", "/api/admin/" + some, "/metrics/" + some, "/api/sync/pull/" + some, "//" + some} {
			for _, method := range []string{"GET", "POST", strings.ToUpper(word), "OPTIONS", "HEAD"} {
				if _, _, err := ann.send(t.Context(), method, path+"?"+some, "{}"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, route := range routes {
			known = append(known, route.Path)
			if strings.HasSuffix(route.Path, "/stream") || route.Path == "/api/sync/events" {
				continue
			}
			if _, _, err := ann.send(t.Context(), route.Method, strings.ReplaceAll(route.Path, ":id", some), `{"workspaceId":"`+some+`"}`); err != nil {
				t.Fatal(err)
			}
		}
	}
	families, err := r.reporter().Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen, requests := 0, 0
	for _, f := range families {
		if len(f.Samples) > 3*len(routes)*5 {
			t.Errorf("%s has %d series", f.Name, len(f.Samples))
		}
		for _, s := range f.Samples {
			if len(s.Values) != len(f.Labels) {
				t.Errorf("%s: %v for %v", f.Name, s.Values, f.Labels)
			}
			for i, value := range s.Values {
				seen++
				switch f.Labels[i] {
				case "route":
					if requests++; !slices.Contains(known, value) {
						t.Errorf("%s: %q is not a route", f.Name, value)
					}
				case "version":
				default:
					if len(value) > 24 || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz_-0123456789GETPOSUHADLNCI") != "" {
						t.Errorf("%s: %s=%q", f.Name, f.Labels[i], value)
					}
				}
				for _, own := range []string{word, strings.ToUpper(word), ann.user, ann.workspace, "1a2b3c4d"} {
					if strings.Contains(value, own) {
						t.Errorf("%s: %s=%q", f.Name, f.Labels[i], value)
					}
				}
			}
		}
	}
	if seen < 100 || requests < len(routes) {
		t.Errorf("%d labels, %d of routes", seen, requests)
	}
}

// total adds up the values of a family for a label.
func (r *real) total(t *testing.T, name string, values ...string) (sum float64) {
	t.Helper()
	families, err := r.reporter().Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, s := range f.Samples {
			if f.Name == name && (len(values) == 0 || slices.Equal(s.Values, values)) {
				if sum += s.Value; f.Kind == metric.Spread {
					sum += float64(s.Distribution.Count())
				}
			}
		}
	}
	return sum
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	ann := r.register(t, "ann@example.test")
	for n := range 3 {
		ann.push(n + 1)
	}
	stream := ann.listen()
	stream.next()
	if n := r.total(t, "event_streams"); n != 1 {
		t.Errorf("%v listeners", n)
	}
	if n := r.total(t, "http_requests_total", "/api/sync/push", "POST", "2xx"); n != 3 {
		t.Errorf("%v pushes", n)
	}
	if n := r.total(t, "http_request_duration_seconds", "/api/sync/push", "POST"); n != 3 {
		t.Errorf("%v pushes took some time", n)
	}
	stream.body.Close()
	patience.Until(t, "the end of the stream", func() bool {
		return r.total(t, "http_requests_total", "/api/sync/events", "GET", "2xx") == 1 && r.total(t, "event_streams") == 0
	})
	if n := r.total(t, "http_request_duration_seconds", "/api/sync/events", "GET"); n != 0 {
		t.Errorf("%v streams count as answers", n)
	}
	ann.send(t.Context(), "POST", "/api/sync/push", "{}")
	if n := r.total(t, "http_requests_total", "/api/sync/push", "POST", "4xx"); n != 1 {
		t.Errorf("%v refused pushes", n)
	}
}

// lines opens a stream of the log.
func (p *person) lines(query string) (*http.Response, *bufio.Reader) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), "GET", p.url+"/api/or3/admin/log/stream"+query, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { res.Body.Close() })
	return res, bufio.NewReader(res.Body)
}

func TestTheLogCanBeFollowedAsLongAsThePermissionLasts(t *testing.T) {
	for name, end := range map[string]func(*real, *person){
		"sign-out": func(_ *real, p *person) { p.do("POST", "/api/basic-auth/sign-out", "{}", nil) },
		"grant":    func(r *real, p *person) { r.grant(p.t, p, false) },
		"password": func(r *real, p *person) { r.keepAdminPassword(p.t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startReal(t, eventsapi.Bounds{}, nil, append([]string{"OR3_LOG_LEVEL=debug"}, superAdmin...)...)
			r.keepAdminPassword(t)
			ann := r.register(t, "ann@example.test")
			reader := r.visitor(t)
			if name == "password" {
				reader.administer()
			} else {
				r.grant(t, ann, true)
				reader = ann
			}
			if res, _ := r.visitor(t).lines(""); res.StatusCode != 401 {
				t.Errorf("a visitor: %d", res.StatusCode)
			}
			res, in := reader.lines("?level=debug")
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
				t.Fatal(res.Status)
			}
			r.instance.Options().Log.Debug("a line of the test", "token", metricsToken)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(line, metricsToken) {
					t.Fatal(line)
				}
				if data, ok := strings.CutPrefix(line, "data: "); ok && strings.Contains(data, "a line of the test") {
					var said struct{ Time, Level, Msg, Token string }
					if err := json.Unmarshal([]byte(data), &said); err != nil || said.Level != "DEBUG" || said.Time == "" || !strings.HasPrefix(said.Token, "[redacted") {
						t.Errorf("%s: %v", data, err)
					}
					break
				}
			}
			end(r, ann)
			ended := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, in)
				ended <- err
			}()
			if err := patience.Receive(t, "the end of the stream", ended); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheLevelOfTheLogIsChangedByAdministrators(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, append([]string{"OR3_LOG_LEVEL=debug"}, superAdmin...)...)
	r.keepAdminPassword(t)
	admin := r.visitor(t).administer()
	const path = "/api/or3/admin/log/level"
	set := func(level string) (int, string) {
		status, text, _ := admin.asks("PUT", path, `{"level":"`+level+`"}`, "X-Or3-Admin-Intent", "admin", "Origin", r.url)
		return status, text
	}
	if status, text := set("warn"); status != 200 {
		t.Fatal(status, text)
	}
	r.instance.Options().Log.Info("not written")
	for _, level := range []string{"", "loud", "WARN"} {
		if status, text := set(level); status != 400 {
			t.Errorf("%q: %d %s", level, status, text)
		}
	}
	var now struct{ Level string }
	if admin.do("GET", path, "", &now); now.Level != "warn" {
		t.Error(now)
	}
	if strings.Contains(r.log.String(), "not written") {
		t.Error("it was written")
	}
	var page struct {
		Lines []struct{ Msg, To string }
		Last  uint64
		Level string
	}
	admin.do("GET", "/api/or3/admin/log?limit=3", "", &page)
	if n := len(page.Lines); n != 3 || page.Lines[2].Msg != "not written" || page.Lines[0].To != "warn" || page.Level != "warn" {
		t.Errorf("%+v", page)
	}
	last := page.Last
	if admin.do("GET", fmt.Sprint("/api/or3/admin/log?after=", last), "", &page); len(page.Lines) != 0 || page.Last != last {
		t.Errorf("%+v", page)
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?after=-1", "?after=x", "?level=loud"} {
		if status, _, _ := admin.asks("GET", "/api/or3/admin/log"+query, ""); status != 400 {
			t.Errorf("%s: %d", query, status)
		}
	}
}

func TestTheLoadForCharts(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, superAdmin...)
	r.keepAdminPassword(t)
	admin := r.visitor(t).administer()
	var s load.Summary
	admin.do("GET", "/api/or3/admin/metrics", "", &s)
	if !s.Ready || s.Step != 5 || s.Disk == nil || s.Disk.FreeBytes == 0 || s.Points == nil || s.RequestMemoryLimitBytes == 0 || s.Started.IsZero() {
		t.Errorf("%+v", s)
	}
	if s.Totals["ready"] != 1 || s.Totals[`database_damaged{database="sync"}`] != 0 {
		t.Errorf("%v", s.Totals)
	}
}

package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/internal/patience"
)

// prometheus is a running one.
type prometheus struct {
	t   *testing.T
	url string
}

// get asks its API.
func (p prometheus) get(path string, into any) {
	p.t.Helper()
	res, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("%s: %v %s", path, err, answer.Error)
	}
	if err := json.Unmarshal(answer.Data, into); err != nil {
		p.t.Fatal(err)
	}
}

// query returns how many series an expression has.
func (p prometheus) query(expression string) int {
	p.t.Helper()
	var found struct{ Result []json.RawMessage }
	p.get("/api/v1/query?query="+url.QueryEscape(expression), &found)
	return len(found.Result)
}

// startPrometheus runs one with a configuration.
func startPrometheus(t *testing.T, config string) prometheus {
	t.Helper()
	program := debianProgram(t, "prometheus")
	address := freeAddress(t)
	out := &logBuffer{}
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(t.TempDir(), "tsdb"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
		if t.Failed() {
			t.Logf("prometheus said:\n%s", out.tail(4000))
		}
	})
	patience.Until(t, "a Prometheus that is ready", func() bool {
		select {
		case <-ended:
			t.Fatalf("it has ended: %s", out.tail(2000))
		default:
		}
		res, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return prometheus{t, "http://" + address}
}

// promtool runs a check.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(debianProgram(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", args, err, out)
	}
}

var metricName = regexp.MustCompile(`\b(?:or3_cloud|process|go|up)(?:_[a-z0-9_]+)?\b`)

// TestPrometheusScrapesTheServer has a Prometheus of the distribution scrape the program with the configuration of
// docs/monitoring.md, load the rules, and evaluate every query of rules and dashboard.
//
//walk:follows monitoring.md OR3_METRICS_TOKEN=…
//walk:follows monitoring.md scrape_configs:
func TestPrometheusScrapesTheServer(t *testing.T) {
	t.Parallel()
	mail := smtptest.Start(t, smtptest.Options{})
	srv := startServer(t, withEnv("OR3_METRICS_TOKEN", scrapeToken), withEnv("OR3_SMTP_URL", "smtp://"+mail.Addr), withEnv("OR3_SMTP_FROM", "cloud@example.org"),
		withEnv("OPENROUTER_API_KEY", "sk-or-v1-for-all"), withEnv("OR3_BACKGROUND_STREAMING_ENABLED", "true"))
	d := newDevice(t, srv, "browser")
	d.register("ann@example.org")

	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	rules, err := filepath.Abs("../release/files/or3-cloud.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```yaml\n")
	block, _, found := strings.Cut(block, "```")
	if !found {
		t.Fatal("docs/monitoring.md has no configuration")
	}
	for old, now := range map[string]string{
		"scheme: https": "scheme: http", "cloud.example.org": strings.TrimPrefix(srv.url, "http://"), "/etc/prometheus/or3-cloud.token": token,
		"/usr/share/or3-cloud/or3-cloud.rules.yml": rules,
	} {
		if !strings.Contains(block, old) {
			t.Fatalf("the configuration has no %q", old)
		}
		block = strings.ReplaceAll(block, old, now)
	}
	config := filepath.Join(dir, "prometheus.yml")
	for path, text := range map[string]string{token: scrapeToken + "\n", config: "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n" + block} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	text := scrape(t, srv)
	promtool(t, "", "check", "rules", rules)
	promtool(t, "", "check", "config", config)
	promtool(t, text, "check", "metrics")

	// Every metric is documented, and every one that is named anywhere exists.
	exists := map[string]bool{"up": true}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 3 && f[0] == "#" && f[1] == "TYPE" {
			exists[f[2]] = true
			if strings.HasPrefix(f[2], "or3_cloud_") && !strings.Contains(string(page), "`"+f[2]+"`") {
				t.Errorf("docs/monitoring.md does not say what %s is", f[2])
			}
			if f[3] == "histogram" {
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					exists[f[2]+suffix] = true
				}
			}
		}
	}
	ruled, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile("../release/files/or3-cloud.dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(drawn, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{}
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			queries[q.Expr] = p.Title
		}
	}
	if len(queries) < 40 {
		t.Errorf("the dashboard has %d queries", len(queries))
	}
	named := func(where, text string) {
		for _, name := range metricName.FindAllString(text, -1) {
			if name != "or3_cloud" && !strings.HasSuffix(name, "_") && !exists[name] {
				t.Errorf("%s names %s, which is not a metric", where, name)
			}
		}
	}
	for line := range bytes.Lines(ruled) {
		if _, expression, ok := strings.Cut(string(line), "expr:"); ok || !bytes.Contains(line, []byte(": ")) {
			named("the rule file", cmp.Or(expression, string(line))) // an expression, or more of one
		}
	}
	for expression, title := range queries {
		named("the panel "+title, expression)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `or3_cloud.*$").FindAllString(string(page), -1) {
		named("docs/monitoring.md", row)
	}

	p := startPrometheus(t, config)
	patience.Until(t, "a scrape", func() bool { return p.query(`up{job="or3-cloud"} == 1`) == 1 && p.query("or3_cloud_ready == 1") == 1 })
	var loaded struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	patience.Until(t, "an evaluation of the rules", func() bool {
		p.get("/api/v1/rules", &loaded)
		return len(loaded.Groups) == 1 && !slices.ContainsFunc(loaded.Groups[0].Rules, func(r struct{ Name, Health, LastError string }) bool { return r.Health == "unknown" })
	})
	if n := strings.Count(string(ruled), "- alert:"); len(loaded.Groups[0].Rules) != n {
		t.Errorf("%d rules were loaded of %d", len(loaded.Groups[0].Rules), n)
	}
	for _, r := range loaded.Groups[0].Rules {
		if r.Health != "ok" {
			t.Errorf("the rule %s: %s", r.Name, r.LastError)
		}
	}
	fill := strings.NewReplacer("$instance", ".*", "$__rate_interval", "1m")
	for expression := range queries {
		p.query(fill.Replace(expression)) // which fails where it cannot be evaluated
	}
}

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var moment = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func image(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, "v1.2.3+dirty", "arm", []byte("a program"), moment); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAnImageIsTheSameEachTime(t *testing.T) {
	if !bytes.Equal(image(t), image(t)) {
		t.Error("the second one is another one")
	}
}

// TestTheContainerfileMakesTheSameImage compares release/Containerfile with the settings of the image, because a
// machine without a registry cannot build it.
func TestTheContainerfileMakesTheSameImage(t *testing.T) {
	var c config
	for archive := tar.NewReader(bytes.NewReader(image(t))); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(archive); err == nil && bytes.HasPrefix(text, []byte(`{"created"`)) {
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatalf("%s: %v", h.Name, err)
			}
		}
	}
	text, err := os.ReadFile("../Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "\nFROM scratch\n")
	var got []string
	for line := range strings.Lines(last) {
		if !strings.HasPrefix(line, "COPY ") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	list := func(words []string) string {
		text, _ := json.Marshal(words)
		return strings.ReplaceAll(string(text), ",", ", ")
	}
	h := c.Config.Healthcheck
	only := func(set map[string]struct{}) string {
		for name := range set {
			return name
		}
		return ""
	}
	want := []string{
		"ENV " + strings.Join(c.Config.Env, " "), "USER " + c.Config.User, "WORKDIR " + c.Config.WorkingDir, "VOLUME " + only(c.Config.Volumes), "EXPOSE " + only(c.Config.ExposedPorts),
		fmt.Sprintf("HEALTHCHECK --interval=%.0fs --timeout=%.0fs --start-period=%.0fm %s %s", h.Interval.Seconds(), h.Timeout.Seconds(), h.StartPeriod.Minutes(), h.Test[0], list(h.Test[1:])),
		"ENTRYPOINT " + list(c.Config.Entrypoint), "CMD " + list(c.Config.Cmd),
	}
	if !slices.Equal(got, want) {
		t.Errorf("the Containerfile has\n%s\nthe image\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if slices.ContainsFunc(c.Config.Env, func(v string) bool { return strings.Contains(v, "PROXY") || strings.Contains(v, "PROXIES") }) {
		t.Errorf("the image trusts a proxy: %v", c.Config.Env)
	}
}

package traceparent

import (
	"net/http"
	"strings"
	"testing"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID = "00f067aa0ba902b7"
	whole    = "00-" + traceID + "-" + parentID + "-01"
)

func TestOf(t *testing.T) {
	for _, text := range []string{whole, "00-" + traceID + "-" + parentID + "-00", "01-" + traceID + "-" + parentID + "-01-more", "cc-" + traceID + "-" + parentID + "-ff"} {
		if trace, parent := Of(http.Header{"Traceparent": {text}}); trace != traceID || parent != parentID {
			t.Errorf("%s: %q, %q", text, trace, parent)
		}
	}
	for _, text := range []string{
		"", "x", whole[:54], whole + "-", whole + "0", " " + whole, whole + " ", strings.ToUpper(whole), "ff" + whole[2:], "0" + whole, "00_" + whole[3:],
		"00-" + strings.Repeat("0", 32) + "-" + parentID + "-01", "00-" + traceID + "-" + strings.Repeat("0", 16) + "-01",
		"00-" + traceID[:31] + "g-" + parentID + "-01", "00-" + traceID + "-" + parentID[:15] + "\n-01", "00-" + traceID + "-" + parentID + "-0x",
		"01-" + traceID + "-" + parentID + "-01more", "00-" + traceID + "-" + parentID + "-01-more", "0g-" + traceID + "-" + parentID + "-01",
	} {
		if trace, parent := Of(http.Header{"Traceparent": {text}}); trace != "" || parent != "" {
			t.Errorf("%q: %q, %q", text, trace, parent)
		}
	}
	if trace, _ := Of(http.Header{"Traceparent": {whole, whole}}); trace != "" {
		t.Error("two headers are one")
	}
	if trace, _ := Of(http.Header{}); trace != "" {
		t.Error("a trace out of nothing")
	}
}

func FuzzOf(f *testing.F) {
	f.Add(whole)
	f.Add("01-" + traceID + "-" + parentID + "-01-more")
	f.Fuzz(func(t *testing.T, text string) {
		trace, parent := Of(http.Header{"Traceparent": {text}})
		if (trace == "") != (parent == "") || trace != "" && (len(trace) != 32 || len(parent) != 16 || !isHex(trace+parent)) {
			t.Errorf("%q: %q, %q", text, trace, parent)
		}
	})
}

// Package traceparent reads the header by which proxies and clients say to which trace a request belongs (W3C Trace
// Context). Anyone can send one, so it decides nothing: it is written down beside what happened, for people who follow
// a request through several programs.
package traceparent

import (
	"net/http"
	"strings"
)

// The length of a header of version 00, and the places of its parts: version, trace, parent, flags.
const (
	length     = 55
	traceFrom  = 3
	traceTo    = 35
	parentFrom = 36
	parentTo   = 52
	flagsFrom  = 53
)

// Of returns the ids of the trace and of the step in it that has sent a request; "" if it says nothing, or not in that
// form.
func Of(h http.Header) (trace, parent string) {
	values := h["Traceparent"]
	if len(values) != 1 {
		return "", ""
	}
	text := values[0]
	if len(text) < length || text[2] != '-' || text[traceTo] != '-' || text[parentTo] != '-' {
		return "", ""
	}
	version, flags := text[:2], text[flagsFrom:length]
	trace, parent = text[traceFrom:traceTo], text[parentFrom:parentTo]
	switch {
	case !isHex(version + trace + parent + flags):
	case version == "ff", version == "00" && len(text) > length, len(text) > length && text[length] != '-': // later versions may say more
	case strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "":
	default:
		return trace, parent
	}
	return "", ""
}

// isHex reports whether text is hexadecimal digits in lower case.
func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

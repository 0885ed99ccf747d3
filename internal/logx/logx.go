// Package logx creates the program's logger. It is the one layer that keeps secrets out of the log: passwords, hashes,
// tokens, cookies, signed URLs, payloads, and e-mail addresses except for their first character and domain.
package logx

import (
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
)

// Options control what is logged and how.
type Options struct {
	// Level is the lowest level that is logged.
	Level slog.Leveler
	// JSON selects one JSON object per line; otherwise lines are key=value text for people.
	JSON bool
}

// New returns a logger that writes to w. Everything passes the redaction: messages, attributes and groups.
func New(w io.Writer, opts Options) *slog.Logger {
	h := &slog.HandlerOptions{Level: opts.Level, ReplaceAttr: redactAttr}
	if opts.JSON {
		return slog.New(slog.NewJSONHandler(w, h))
	}
	return slog.New(slog.NewTextHandler(w, h))
}

// Adopt redirects what libraries write with package log to a logger. Libraries quote arbitrary input: net/http, for
// example, quotes unsolicited responses of a server. So each line is cut where a quotation begins.
func Adopt(to *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(lines{to})
}

type lines struct{ to *slog.Logger }

func (l lines) Write(p []byte) (int, error) {
	said, _, _ := strings.Cut(strings.TrimRight(string(p), "\n"), `"`)
	l.to.Debug("a library says", "text", strings.TrimSpace(said))
	return len(p), nil
}

// ParseLevel parses debug, info, warn or error.
func ParseLevel(text string) (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(text))
	return l, err
}

// redactAttr is called by slog's handlers for every attribute that is not a group.
func redactAttr(_ []string, a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, redactValue(a.Key, v.String()))
	case slog.KindAny:
		if v.Any() == nil {
			return a
		}
		return redactAny(a.Key, v.Any())
	default: // numbers, booleans and times reveal nothing
		return a
	}
}

func redactAny(key string, value any) slog.Attr {
	switch x := value.(type) {
	case slog.Level, *slog.Source:
		return slog.Any(key, value)
	case error:
		return slog.String(key, redactValue(key, x.Error()))
	case []byte:
		return slog.String(key, fmt.Sprintf("[%d bytes]", len(x)))
	case http.Header:
		return slog.String(key, headerNames(x))
	default:
		return slog.String(key, redactValue(key, fmt.Sprintf("%+v", value)))
	}
}

// headerNames returns only the names, because too many headers carry credentials.
func headerNames(h http.Header) string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	return fmt.Sprintf("[%d headers: %s]", len(names), strings.Join(names, " "))
}

// secretKeys are parts of attribute names. The values of such attributes are never logged, whatever they look like.
var secretKeys = []string{"password", "passwd", "secret", "token", "cookie", "authorization", "credential", "apikey", "api_key", "payload", "body", "signature"}

func redactValue(key, text string) string {
	lower := strings.ToLower(key)
	for _, part := range secretKeys {
		if strings.Contains(lower, part) {
			return fmt.Sprintf("[redacted, %d characters]", len([]rune(text)))
		}
	}
	return Redact(text)
}

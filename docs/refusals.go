package docs

import (
	"regexp"
	"strings"
)

// A Refusal is a message of troubleshooting.md.
type Refusal struct {
	// Text is the message with what differs as <word>.
	Text string
	// Key is Text with … for all of that, and without what differs at its ends: what a message of the program is
	// compared by.
	Key string
}

// Refusals returns the messages that troubleshooting.md explains: the lines of its blocks of code. A line that is
// indented goes on with the one above it.
func Refusals() ([]Refusal, error) {
	source, err := Files.ReadFile("troubleshooting.md")
	if err != nil {
		return nil, err
	}
	var out []Refusal
	inside := false
	for line := range strings.Lines(string(source)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside
		case !inside:
		case strings.HasPrefix(line, " ") && len(out) > 0:
			out[len(out)-1].Text += " " + strings.TrimSpace(line)
		default:
			out = append(out, Refusal{Text: line})
		}
	}
	for i := range out {
		out[i].Key = Key(out[i].Text)
	}
	return out, nil
}

var (
	placeholder = regexp.MustCompile(`<[a-z ]+>`)
	inQuotes    = regexp.MustCompile(`"…"`)
	adjacent    = regexp.MustCompile(`…+`)
)

// Key returns what a message is compared by, in which <word> or … stands for what differs.
func Key(message string) string {
	message = placeholder.ReplaceAllString(message, "…")
	message = adjacent.ReplaceAllString(inQuotes.ReplaceAllString(message, "…"), "…")
	return strings.Trim(message, "… ")
}

// In reports whether an output of the program has the message.
func (r Refusal) In(output string) bool {
	parts := strings.Split(r.Key, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(strings.Join(parts, `(?s:.*?)`)).MatchString(output)
}

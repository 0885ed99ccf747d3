package syncschema

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/safeint"
)

// ChatRecord is the part of a thread or a message that the rules of background answers need.
type ChatRecord struct {
	ID, ThreadID, Role string
	// HLC is the HLC of the last write, or empty if the record has none.
	HLC   string
	Clock int64
	// GenerationID is the generation that wrote the message, or empty if it names none.
	GenerationID string
}

var errRecord = errors.New("not a record with an id and a clock")

// ReadChatRecord parses a record. It fails for one without an id, or whose clock is not an integer of the wire.
func ReadChatRecord(payload []byte) (r ChatRecord, err error) {
	values, err := scan(payload, []string{"id", "clock", "hlc", "thread_id", "role", "data"})
	if err != nil {
		return r, err
	}
	r.ID, r.ThreadID, r.Role, r.HLC = text(values.get("id")), text(values.get("thread_id")), text(values.get("role")), text(values.get("hlc"))
	if hlc := values.get("hlc"); hlc != nil && hlc.Kind() != '"' && hlc.Kind() != 'n' {
		return r, errRecord
	}
	clock, ok := safeint.Parse(values.get("clock"))
	if r.ID == "" || !ok || clock < 0 {
		return r, errRecord
	}
	r.Clock, r.GenerationID = clock, generationID(values.get("data"))
	return r, nil
}

// GenerationID returns the generation that a message names in its data, or "".
func GenerationID(message []byte) string {
	values, err := scan(message, []string{"data"})
	if err != nil {
		return ""
	}
	return generationID(values.get("data"))
}

func generationID(data jsontext.Value) string {
	if data.Kind() != '{' {
		return ""
	}
	values, err := scan(data, []string{"generation_id"})
	if err != nil {
		return ""
	}
	return text(values.get("generation_id"))
}

// maxInline is the longest data URL, in bytes, that stays in a message. strippedURL replaces longer ones.
const maxInline = 10_000

var strippedURL = []byte(`"[data-url-stripped]"`)

// Capture returns a copy of a row of a client's database as the client would push it (contract, client-behaviour §2):
// without device-only members, and with the defaults for members that are missing or null. All other members stay byte
// for byte.
func Capture(table string, row []byte, defaults []Member) ([]byte, error) {
	found := make([]bool, len(defaults))
	out, err := rewrite(row, func(name string, value jsontext.Value) jsontext.Value {
		null := value.Kind() == 'n'
		if name == "hlc" || strings.Contains(name, ".") || null && table == or3cloud.TableMessages && name == "error" {
			return nil
		}
		for i, d := range defaults {
			if d.Name != name {
				continue
			}
			if null {
				return nil
			}
			found[i] = true
		}
		if table == or3cloud.TableMessages && name == "data" {
			return withoutDataURLs(value)
		}
		return value
	})
	if err != nil {
		return nil, err
	}
	return appendMembers(out, defaults, found), nil
}

// withoutDataURLs returns a JSON value without the long data URLs in its texts.
func withoutDataURLs(value []byte) []byte {
	if len(value) <= maxInline {
		return value
	}
	var out []byte
	copied := 0
	for i := 0; i < len(value); i++ {
		if value[i] != '"' {
			continue
		}
		end := endOfString(value, i)
		if end-i > maxInline && bytes.HasPrefix(value[i:], []byte(`"data:`)) && !isName(value[min(end+1, len(value)):]) {
			out = append(append(out, value[copied:i]...), strippedURL...)
			copied = end + 1
		}
		i = end
	}
	return append(out, value[min(copied, len(value)):]...)
}

// isName reports whether the string before a rest of JSON is the name of a member.
func isName(rest []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(":")) }

// Member is a new value for a member of a JSON object. nil removes it.
type Member struct {
	Name  string
	Value jsontext.Value
	// Known means that the member is not added to an object that lacks it.
	Known bool
}

// Finish returns a copy of a message's payload with new values for some members, and for some members of its data. All
// others stay byte for byte. Data that is not an object is replaced.
func Finish(payload []byte, message, data []Member) ([]byte, error) {
	values, err := scan(payload, []string{"data"})
	if err != nil {
		return nil, err
	}
	old := values.get("data")
	if old.Kind() != '{' {
		old = jsontext.Value("{}")
	}
	finished, err := with(old, data)
	if err != nil {
		return nil, err
	}
	return with(payload, append(slices.Clone(message), Member{Name: "data", Value: finished}))
}

// with returns a copy of a JSON object with new values for some members. Missing ones are added at its end.
func with(object []byte, members []Member) ([]byte, error) {
	found := make([]bool, len(members))
	out, err := rewrite(object, func(name string, value jsontext.Value) jsontext.Value {
		for i, m := range members {
			if m.Name == name {
				found[i] = true
				return m.Value
			}
		}
		return value
	})
	if err != nil {
		return nil, err
	}
	return appendMembers(out, members, found), nil
}

// appendMembers appends the members that were not found to a JSON object.
func appendMembers(object []byte, members []Member, found []bool) []byte {
	out := object[:len(object)-1]
	for i, m := range members {
		if found[i] || m.Known || m.Value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(strconv.AppendQuote(out, m.Name), ':'), m.Value...)
	}
	return append(out, '}')
}

// ProjectID returns the project that a thread names, or "".
func ProjectID(thread []byte) string {
	values, err := scan(thread, []string{"project_id"})
	if err != nil {
		return ""
	}
	return text(values.get("project_id"))
}

// WithProjectID returns a copy of a thread's payload that names a project, and is otherwise unchanged.
func WithProjectID(thread []byte, id string) ([]byte, error) {
	quoted, err := jsontext.AppendQuote(nil, id)
	if err != nil {
		return nil, err
	}
	return with(thread, []Member{{Name: "project_id", Value: quoted}})
}

// ListsThread reports whether the list of a project's payload has an entry for a thread: {"id":…,"kind":"chat"} in
// data, which is an array or one in a string.
func ListsThread(project []byte, threadID string) bool {
	values, err := scan(project, []string{"data"})
	if err != nil {
		return false
	}
	list := []byte(values.get("data"))
	if jsontext.Value(list).Kind() == '"' {
		list = []byte(text(list))
	}
	d := jsontext.NewDecoder(bytes.NewReader(list), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if d.PeekKind() != '[' {
		return false
	}
	if _, err := d.ReadToken(); err != nil {
		return false
	}
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return false
		}
		if v.Kind() != '{' {
			continue
		}
		entry, err := scan(v, []string{"id", "kind"})
		if err == nil && text(entry.get("id")) == threadID && text(entry.get("kind")) == "chat" {
			return true
		}
	}
	return false
}

// MessagePlace returns where a message belongs. The messages of a thread are ordered by index, order and id. ok is
// false if the payload is not an object.
func MessagePlace(message []byte) (thread, order string, index float64, ok bool) {
	values, err := scan(message, []string{"thread_id", "order_key", "index"})
	if err != nil || len(message) == 0 {
		return "", "", 0, false
	}
	if n, err := strconv.ParseFloat(string(values.get("index")), 64); err == nil {
		index = n
	}
	return text(values.get("thread_id")), text(values.get("order_key")), index, true
}

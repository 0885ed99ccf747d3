// Package corpus is the recorded traffic of clients, again and again with other ids.
package corpus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync/atomic"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// User is the user that the corpus was recorded with; notifications name it.
const User = "7802a057-cde8-4c18-b004-7936cddc25ca"

// Corpus is recorded traffic as templates. Each pass of a device through it writes records of its own: every id gets
// new digits, everywhere it is named, so that sizes, updates, deletes and references stay as they were recorded.
type Corpus struct {
	templates []template
	passes    atomic.Uint32
}

// template is one recorded op and where in its text the digits and the user stand that a pass replaces.
type template struct {
	text       []byte
	ids, users []int
	// The op's parts, as ranges of text.
	table, operation, pk, payload, device, opID, hlc span
	clock                                            int64
}

type span struct{ from, to int }

var idPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|sha256:[0-9a-f]{64}|corpus\.[0-9a-f]{8}`)

// Load reads a corpus.
func Load(path string) (*Corpus, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &Corpus{}
	for line := range bytes.Lines(data) {
		var body struct {
			Ops []json.RawMessage `json:"ops"`
		}
		if err := json.Unmarshal(line, &body); err != nil {
			return nil, err
		}
		for _, text := range body.Ops {
			t, err := newTemplate(text)
			if err != nil {
				return nil, err
			}
			// The few records with the same name on every device stay out: all but the first would lose.
			if idPattern.Match(t.part(t.text, t.pk)) {
				c.templates = append(c.templates, t)
			}
		}
	}
	return c, nil
}

// Payload is how many bytes the payload of an op has on average.
func (c *Corpus) Payload() float64 {
	n := 0
	for _, t := range c.templates {
		n += t.payload.to - t.payload.from
	}
	return float64(n) / float64(len(c.templates))
}

func newTemplate(text []byte) (t template, err error) {
	var op struct {
		TableName, Operation, PK string
		Payload                  json.RawMessage
		Stamp                    struct {
			DeviceID, OpID, HLC string
			Clock               int64
		}
	}
	if err := json.Unmarshal(text, &op); err != nil {
		return t, err
	}
	t = template{text: text, clock: op.Stamp.Clock}
	for _, p := range []struct {
		dst         *span
		name, value string
	}{
		{&t.table, "tableName", op.TableName}, {&t.operation, "operation", op.Operation}, {&t.pk, "pk", op.PK},
		{&t.device, "deviceId", op.Stamp.DeviceID}, {&t.opID, "opId", op.Stamp.OpID}, {&t.hlc, "hlc", op.Stamp.HLC},
	} {
		needle := fmt.Sprintf(`"%s":"%s"`, p.name, p.value)
		i := bytes.LastIndex(text, []byte(needle))
		if i < 0 {
			return t, fmt.Errorf("%s not found in %.200s", p.name, text)
		}
		end := i + len(needle) - 1
		*p.dst = span{end - len(p.value), end}
	}
	if len(op.Payload) > 0 {
		i := bytes.Index(text, op.Payload)
		t.payload = span{i, i + len(op.Payload)}
	}
	for _, m := range idPattern.FindAllIndex(text, -1) {
		switch id := string(text[m[0]:m[1]]); {
		case id == User:
			t.users = append(t.users, m[0])
		default:
			t.ids = append(t.ids, m[0]+len(id)-len(strings.TrimPrefix(strings.TrimPrefix(id, "sha256:"), "corpus.")))
		}
	}
	return t, nil
}

func (t *template) part(text []byte, s span) []byte { return text[s.from:s.to] }

// appendTo appends the text of the op with the digits of a pass and the name of a user.
func (t *template) appendTo(b []byte, mask uint32, user string) []byte {
	start := len(b)
	b = append(b, t.text...)
	text := b[start:]
	for _, at := range t.ids {
		maskDigits(text[at:at+8], mask)
	}
	for _, at := range t.users {
		copy(text[at:], user)
	}
	return b
}

const digits = "0123456789abcdef"

// maskDigits adds mask to eight hex digits without carry.
func maskDigits(d []byte, mask uint32) {
	for i := range d {
		n := d[i] - '0'
		if d[i] >= 'a' {
			n = d[i] - 'a' + 10
		}
		d[i] = digits[n^byte(mask>>(28-4*i))&15]
	}
}

// Source is one device's way through the corpus.
type Source struct {
	c    *Corpus
	User string
	mask uint32
	next int
}

// Source begins the way of a device of a user.
func (c *Corpus) Source(user string) *Source {
	return &Source{c: c, User: user, next: len(c.templates)}
}

func (s *Source) template() *template {
	if s.next == len(s.c.templates) {
		s.next, s.mask = 0, s.c.passes.Add(1)*0x9e3779b1 // an odd factor: no two passes share a mask
	}
	s.next++
	return &s.c.templates[s.next-1]
}

// PushBody returns the body of a push of the next n ops.
func (s *Source) PushBody(workspace string, n int) []byte {
	b := make([]byte, 0, n*2200)
	b = append(b, `{"scope":{"workspaceId":"`+workspace+`"},"ops":[`...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.template().appendTo(b, s.mask, s.User)
	}
	return append(b, `]}`...)
}

// BatchBody is the next n ops as a body of PocketBase's batch API.
func (s *Source) BatchBody(collection string, n int) []byte {
	b := []byte(`{"requests":[`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		t := s.template()
		text := t.appendTo(nil, s.mask, s.User)
		b = append(b, `{"method":"POST","url":"/api/collections/`+collection+`/records","body":{"workspace":"w"`...)
		for _, f := range []struct {
			name string
			part span
		}{{"tbl", t.table}, {"pk", t.pk}, {"op", t.operation}, {"device", t.device}, {"op_id", t.opID}, {"hlc", t.hlc}} {
			b = fmt.Appendf(b, `,"%s":"%s"`, f.name, t.part(text, f.part))
		}
		b = fmt.Appendf(b, `,"clock":%d,"payload":%s}}`, t.clock, t.part(text, t.payload))
	}
	return append(b, `]}`...)
}

// Ops returns the next n ops as a host hands them to a provider, checked.
func (s *Source) Ops(n int) ([]or3cloud.Op, error) {
	ops := make([]or3cloud.Op, n)
	for i := range ops {
		t := s.template()
		text := t.appendTo(nil, s.mask, s.User)
		ops[i] = or3cloud.Op{
			Table: string(t.part(text, t.table)), Operation: or3cloud.Operation(t.part(text, t.operation)), PK: string(t.part(text, t.pk)),
			Payload: t.part(text, t.payload),
			Stamp: or3cloud.Stamp{
				DeviceID: string(t.part(text, t.device)), OpID: string(t.part(text, t.opID)), HLC: string(t.part(text, t.hlc)), Clock: t.clock,
			},
		}
		if p := syncschema.Check(&ops[i]); p != nil {
			return nil, fmt.Errorf("%s: %s", p.Code, p.Text)
		}
	}
	return ops, nil
}

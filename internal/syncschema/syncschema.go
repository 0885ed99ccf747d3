// Package syncschema validates ops on arrival, once, in front of every sync provider: known table and operation, a
// stamp that clients accept, a payload that fits its table (contract, sync §2, §3). Every client can apply an op that
// passes. One that does not is refused alone, never with its batch (contract, sync Pitfalls 2, 15).
package syncschema

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsonscan"
	"or3.chat/cloud/internal/jsstring"
)

// Limits of an op. They are the newest client's own, in UTF-16 units: it discards a whole page that contains a change
// beyond them. MaxPayload is in bytes and far above what real documents reach (contract, sync §10.1).
const (
	maxPK      = 1024
	maxHLC     = 512
	maxDevice  = 256
	MaxPayload = 4 << 20
)

// MaxDepth is how deep a payload may nest, including its own object. Clients cut at 20. A payload nested some thousand
// levels deep breaks the browser's database on every device of the workspace.
const MaxDepth = 100

// maxReferences is how many files one row may reference. The newest client's own payload limit, 256 KiB, holds fewer.
// maxDigest is the length, in bytes, up to which a text may be the digest of a file.
const (
	maxReferences = 4096
	maxDigest     = 128
)

// Problem is the reason why an op is refused.
type Problem struct {
	Code or3cloud.OpErrorCode
	// Text is sent to the client.
	Text string
}

func invalid(format string, args ...any) *Problem {
	return &Problem{Code: or3cloud.OpErrorValidation, Text: fmt.Sprintf(format, args...)}
}

// NotText is the reason for refusing an op with bytes that are not UTF-8, wherever they are.
var NotText = invalid("the op is not valid UTF-8")

// Check validates an op and fills in its Facts. It returns nil if the op may be stored. It turns a JSON null as the
// payload of a delete into no payload.
func Check(op *or3cloud.Op) *Problem { return CheckRead(op, nil) }

// CheckRead is Check for an op whose payload ReadPayload has read from a UTF-8 text. found is nil if it has not.
func CheckRead(op *or3cloud.Op, found Places) *Problem {
	columns, ok := tables[op.Table]
	if !ok {
		return invalid("Unknown table: %.128s", op.Table)
	}
	if p := checkStamp(op); p != nil {
		return p
	}
	if len(op.Payload) > MaxPayload {
		return &Problem{
			Code: or3cloud.OpErrorOversized,
			Text: fmt.Sprintf("Payload too large for %s: %d bytes, at most %d", op.Table, len(op.Payload), MaxPayload),
		}
	}
	switch op.Operation {
	case or3cloud.OpPut:
	case or3cloud.OpDelete:
		if len(op.Payload) == 0 || string(op.Payload) == "null" {
			op.Payload = nil
			op.Facts.Deleted = true
			return nil
		}
		columns = nil // the schema is for puts; a delete needs only an object
	default:
		return invalid("Unknown operation: %.32s", op.Operation)
	}
	values := members{op.Payload, interesting[op.Table], found}
	if found == nil {
		if why := Unfit(op.Payload); why != "" {
			return invalid("Invalid payload for %s: %s", op.Table, why)
		}
		var err error
		if values, err = scan(op.Payload, interesting[op.Table]); err != nil {
			return invalid("Invalid payload for %s: %v", op.Table, err)
		}
	}
	for i, c := range columns {
		if why := c.check(values.value(i)); why != "" {
			return invalid("Invalid payload for %s: %s: %s", op.Table, c.name, why)
		}
	}
	if v := values.get(pkColumn(op.Table)); v != nil && !is(v, op.PK) {
		return invalid("Invalid payload for %s: %s must equal pk", op.Table, pkColumn(op.Table))
	}
	op.Facts = facts(op.Table, values)
	if len(op.Facts.FileHashes) > maxReferences {
		return invalid("Invalid payload for %s: file_hashes names more than %d files", op.Table, maxReferences)
	}
	if op.Operation == or3cloud.OpDelete {
		op.Facts.Deleted = true
	}
	return nil
}

// Unfit returns why a payload must not reach a client, or "". Check refuses such payloads, but older rows may have
// them. Escapes such as \ud83d are fit: clients cut their strings at UTF-16 units (contract, sync Pitfall 17).
func Unfit(payload []byte) string {
	switch {
	case !Valid(payload):
		return "not valid UTF-8"
	case Openings(payload) > MaxDepth && deeperThan(payload, MaxDepth): // this rules out most texts quickly
		return fmt.Sprintf("nested deeper than %d levels", MaxDepth)
	}
	return ""
}

// deeperThan reports whether a JSON text ever has more than n arrays and objects open.
func deeperThan(text []byte, n int) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if depth++; depth > n {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			i = endOfString(text, i)
		}
	}
	return false
}

// endOfString returns the position of the quote that ends the string beginning at start, or the end of the text.
func endOfString(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return len(text)
}

func checkStamp(op *or3cloud.Op) *Problem {
	switch s := op.Stamp; {
	case !utf8.ValidString(op.PK) || !utf8.ValidString(s.HLC) || !utf8.ValidString(s.DeviceID):
		return NotText
	case op.PK == "" || jsstring.Longer(op.PK, maxPK):
		return invalid("pk must have 1 to %d characters", maxPK)
	case strings.ContainsRune(op.PK, '\uFFFD') || strings.ContainsRune(op.PK, 0):
		// A broken character could make two rows into one.
		return invalid("pk must be well-formed text")
	case !IsUUID(s.OpID):
		return invalid("stamp.opId must be a UUID")
	case s.HLC == "" || jsstring.Longer(s.HLC, maxHLC):
		return invalid("stamp.hlc must have 1 to %d characters", maxHLC)
	case strings.TrimSpace(s.DeviceID) == "" || jsstring.Longer(s.DeviceID, maxDevice):
		return invalid("stamp.deviceId must have 1 to %d characters", maxDevice)
	case s.Clock < 0 || s.Clock > or3cloud.MaxSafeInteger:
		return invalid("stamp.clock must be an integer from 0 to %d", int64(or3cloud.MaxSafeInteger))
	}
	return nil
}

// isHex is true for hex digits in either case.
var isHex = func() (is [256]bool) {
	for _, c := range "0123456789abcdefABCDEF" {
		is[c] = true
	}
	return is
}()

// IsUUID reports whether s is a UUID as clients accept it: hex digits in either case with version 1 to 8 and the RFC
// 9562 variant, or all zeros, or all f.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if c := s[i]; dash && c != '-' || !dash && !isHex[c] {
			return false
		}
	}
	if s[14] >= '1' && s[14] <= '8' && strings.IndexByte("89abAB", s[19]) >= 0 {
		return true
	}
	return s == "00000000-0000-0000-0000-000000000000" || strings.EqualFold(s, "ffffffff-ffff-ffff-ffff-ffffffffffff")
}

// pkColumn returns the payload key that holds the primary key of a table.
func pkColumn(table string) string {
	if table == or3cloud.TableFileMeta {
		return "hash"
	}
	return "id"
}

// column is one rule of a table's schema.
type column struct {
	name     string
	optional bool
	nullable bool
	kind     jsontext.Kind // '"', '0', 't' (either boolean) or '['
	oneOf    []string
}

// check returns what is wrong with a value, or "". A nil value is absent.
func (c column) check(v jsontext.Value) string {
	if v == nil {
		if c.optional {
			return ""
		}
		return "required"
	}
	k := v.Kind()
	if k == 'n' && c.nullable {
		return ""
	}
	if k == 'f' {
		k = 't'
	}
	if k != c.kind {
		return "expected " + kindNames[c.kind]
	}
	if k == '0' {
		if f, err := strconv.ParseFloat(string(v), 64); err != nil || math.IsInf(f, 0) {
			return "expected a finite number"
		}
	}
	if c.oneOf != nil {
		got := text(v)
		for _, want := range c.oneOf {
			if got == want {
				return ""
			}
		}
		return "expected one of " + strings.Join(c.oneOf, ", ")
	}
	return ""
}

var kindNames = map[jsontext.Kind]string{'"': "string", '0': "number", 't': "boolean", '[': "array"}

func strs(names ...string) []column  { return columns('"', names) }
func nums(names ...string) []column  { return columns('0', names) }
func bools(names ...string) []column { return columns('t', names) }

func columns(kind jsontext.Kind, names []string) []column {
	cs := make([]column, len(names))
	for i, n := range names {
		cs[i] = column{name: n, kind: kind}
	}
	return cs
}

func optional(cs []column) []column {
	for i := range cs {
		cs[i].optional = true
	}
	return cs
}

func join(lists ...[]column) []column {
	var out []column
	for _, l := range lists {
		out = append(out, l...)
	}
	return append(out, nums("created_at", "updated_at", "clock")...)
}

// tables is contract sync §3. Unknown keys are kept and not checked.
var tables = map[string][]column{
	or3cloud.TableThreads: join(strs("id", "status"), bools("deleted", "pinned"), []column{
		{name: "title", optional: true, nullable: true, kind: '"'},
		{name: "branch_mode", optional: true, nullable: true, kind: '"', oneOf: []string{"reference", "copy", "compacted"}},
		{name: "fork_reason", optional: true, nullable: true, kind: '"', oneOf: []string{"manual", "retry", "compaction"}},
		{name: "root_thread_id", optional: true, nullable: true, kind: '"'},
		{name: "summary_message_id", optional: true, nullable: true, kind: '"'},
	}),
	or3cloud.TableMessages: join(strs("id", "thread_id", "role", "order_key"), nums("index"), bools("deleted"), optional(strs("hlc"))),
	or3cloud.TableProjects: join(strs("id", "name"), bools("deleted")),
	or3cloud.TablePosts:    join(strs("id", "title", "content", "post_type"), bools("deleted")),
	or3cloud.TableFileMeta: join(strs("hash"), bools("deleted"), optional(strs("kind", "mime_type")), optional(nums("size_bytes"))),
	or3cloud.TableKV:       join(strs("id", "name")),
	or3cloud.TableNotifications: join(strs("id", "user_id", "type", "title"), bools("deleted"),
		optional(strs("thread_id", "document_id", "body")), optional(nums("read_at", "deleted_at")),
		[]column{{name: "actions", optional: true, kind: '['}}),
}

// interesting lists, for each table, the keys whose values are read: the schema's, in order, and those that Facts need.
// Searching a short list is faster than a map.
var interesting = func() map[string][]string {
	extra := map[string][]string{
		or3cloud.TableMessages: {"file_hashes"},
		or3cloud.TablePosts:    {"file_hashes", "meta"},
		or3cloud.TableProjects: {"data"},
		or3cloud.TableKV:       {"deleted"},
		or3cloud.TableFileMeta: {"storage_id", "name"},
	}
	out := map[string][]string{}
	for table, cs := range tables {
		for _, c := range cs {
			out[table] = append(out[table], c.name)
		}
		out[table] = append(out[table], extra[table]...)
	}
	return out
}()

// Places are the positions in a payload of the values that Check needs, in the order of interesting.
type Places []place

// place is a part of a payload, which never has 4 GiB. It is zero if absent.
type place struct{ begin, end uint32 }

// ReadPayload passes the payload of an op of a table, which is an object, and records the positions of what Check
// needs. The scanner must allow it to nest MaxDepth levels deep and no deeper.
func ReadPayload(s *jsonscan.Scanner, table string) (payload []byte, found Places) {
	m := find(s, interesting[table])
	return m.text, m.places
}

// members are the values of the wanted keys of a payload.
type members struct {
	text   []byte
	keys   []string
	places Places
}

// value returns the value of a key, or nil if it is absent.
func (m members) value(key int) jsontext.Value {
	if key < 0 || key >= len(m.places) || m.places[key].end == 0 {
		return nil
	}
	p := m.places[key]
	return m.text[p.begin:p.end:p.end]
}

// get returns the value of a key, or nil if it is absent.
func (m members) get(key string) jsontext.Value { return m.value(slices.Index(m.keys, key)) }

// find passes an object and records the positions of the wanted keys. Of a repeated key, it records the last.
func find(s *jsonscan.Scanner, want []string) members {
	m := members{keys: want, places: make(Places, len(want))}
	start := s.At()
	for more := s.Open('{'); more; more = s.More('{') {
		name, begin := s.Name(), s.At()
		s.Value()
		if i := indexOf(want, name); i >= 0 {
			m.places[i] = place{uint32(begin - start), uint32(s.At() - start)}
		}
	}
	m.text = s.Since(start)
	return m
}

// decoders are pooled because a new one per op would be half of a push's allocations.
var decoders = sync.Pool{New: func() any { return new(payloadDecoder) }}

type payloadDecoder struct {
	jsontext.Decoder
	buf bytes.Buffer
}

// scan returns the values of the wanted keys of a JSON object. Of a repeated key, the last one counts, as in
// JSON.parse. Lone surrogates pass.
func scan(payload []byte, want []string) (members, error) {
	if len(payload) == 0 {
		return members{}, nil
	}
	d := decoders.Get().(*payloadDecoder)
	defer func() {
		d.buf = bytes.Buffer{}
		d.Reset(&d.buf) // the pool must not keep the payload
		decoders.Put(d)
	}()
	// A decoder parses the bytes of a Buffer in place.
	d.buf = *bytes.NewBuffer(payload)
	d.Reset(&d.buf, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if d.PeekKind() != '{' {
		return members{}, fmt.Errorf("expected an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return members{}, errMalformed
	}
	found := members{text: payload, keys: want, places: make(Places, len(want))}
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return members{}, errMalformed
		}
		i := indexOf(want, unquoted(name))
		v, err := d.ReadValue()
		if err != nil {
			return members{}, errMalformed
		}
		if i >= 0 {
			end := int(d.InputOffset())
			found.places[i] = place{uint32(end - len(v)), uint32(end)}
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return members{}, errMalformed
	}
	return found, nil
}

// unquoted returns the text of a name. Only names with escapes need decoding.
func unquoted(name jsontext.Value) []byte {
	if bytes.IndexByte(name, '\\') >= 0 {
		return []byte(text(name))
	}
	return name[1 : len(name)-1]
}

// indexOf returns the index of a name in a list, or −1.
func indexOf(list []string, name []byte) int {
	for i, k := range list {
		if k == string(name) {
			return i
		}
	}
	return -1
}

var errMalformed = fmt.Errorf("malformed JSON")

// text returns the string in v, or "" if it is not a string.
func text(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil && b == nil {
		return ""
	}
	return string(b)
}

// is reports whether v holds a string.
func is(v jsontext.Value, s string) bool {
	if n := len(v) - 2; n == len(s) && string(v[1:n+1]) == s && v[0] == '"' && !strings.Contains(s, `\`) {
		return true
	}
	return text(v) == s
}

func facts(table string, values members) or3cloud.PayloadFacts {
	f := or3cloud.PayloadFacts{Deleted: values.get("deleted").Kind() == 't'}
	switch table {
	case or3cloud.TableKV:
		f.Name = text(values.get("name"))
	case or3cloud.TableNotifications:
		f.UserID = text(values.get("user_id"))
	case or3cloud.TableMessages:
		f.FileHashes = FileHashes(text(values.get("file_hashes")))
	case or3cloud.TablePosts:
		f.FileHashes = FileHashes(text(values.get("file_hashes")))
		f.WorkspaceItem = text(values.get("post_type")) == "or3:file" || bytes.Contains(values.get("meta"), []byte("or3.workspace-item"))
	case or3cloud.TableProjects:
		// The list of entries is a JSON value, or one inside a string.
		f.WorkspaceItem = fileEntry.Match(values.get("data")) || fileEntry.MatchString(text(values.get("data")))
	case or3cloud.TableFileMeta:
		f.File = or3cloud.FileFacts{
			StorageID: text(values.get("storage_id")), MIMEType: text(values.get("mime_type")),
			Name: text(values.get("name")), Kind: text(values.get("kind")),
		}
		if n, err := strconv.ParseFloat(string(values.get("size_bytes")), 64); err == nil && n >= 0 && n <= or3cloud.MaxSafeInteger {
			f.File.SizeBytes = int64(n)
		}
		if n, err := strconv.ParseFloat(string(values.get("updated_at")), 64); err == nil {
			f.File.UpdatedAt = n
		}
	}
	return f
}

// fileEntry matches an entry of kind "file" in the list of a project.
var fileEntry = regexp.MustCompile(`"kind"\s*:\s*"file"`)

// WithUserID returns a copy of a notification's payload with this user_id, and otherwise unchanged.
func WithUserID(payload []byte, userID string) ([]byte, error) {
	quoted, err := jsontext.AppendQuote(nil, userID)
	if err != nil {
		return nil, err
	}
	d := jsontext.NewDecoder(bytes.NewReader(payload), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var out []byte
	copied := int64(0)
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		isUserID := name.String() == "user_id"
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		if isUserID {
			end := d.InputOffset()
			out = append(append(out, payload[copied:end-int64(len(v))]...), quoted...)
			copied = end
		}
	}
	return append(out, payload[copied:]...), nil
}

// FileHashes returns the digests in a file_hashes column: a JSON array in a string. It ignores everything that is not a
// string, or too long to be a digest (contract, sync §3). Digests are in lower case without prefix, each once.
func FileHashes(s string) []string {
	if s == "" {
		return nil
	}
	d := jsontext.NewDecoder(strings.NewReader(s), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '[' {
		return nil
	}
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	var out []string
	seen := map[string]bool{}
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil
		}
		digest := Digest(text(v))
		if digest != "" && len(digest) <= maxDigest && !seen[digest] {
			seen[digest] = true
			out = append(out, digest)
		}
	}
	return out
}

// Digest returns the form in which hashes are compared: lower-case, without algorithm prefix.
func Digest(hash string) string {
	if _, d, ok := strings.Cut(hash, ":"); ok {
		hash = d
	}
	return strings.ToLower(hash)
}

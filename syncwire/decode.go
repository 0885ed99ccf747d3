package syncwire

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/safeint"
	"or3.chat/cloud/internal/syncschema"
)

// ErrEnvelope means that a body is JSON but not a push (contract, sync §1.1).
var ErrEnvelope = errors.New("not a push")

// Push is a decoded push. Its ops are not validated yet (Judge). A missing member or one of the wrong type becomes a
// value that Judge refuses.
type Push struct {
	Scope          Scope
	WorkspaceItems bool // the client knows workspace Files and Trash
	Ops            []or3cloud.Op
	found          []syncschema.Places // what the scanner found in the payloads, if it has read them
	notText        map[int]bool        // the indexes of ops that contain bytes that are not UTF-8
}

// DecodePush decodes a push. The text must not change while the ops are in use, because payloads point into it. The
// error is ErrEnvelope, or says that the text is not JSON.
func DecodePush(text []byte) (Push, error) {
	valid := syncschema.Valid(text)
	if valid {
		if in, ok := scanPush(text); ok {
			return in, nil
		}
	}
	return decodePush(text, valid)
}

// decodePush is DecodePush for any text, whether valid UTF-8 or not.
func decodePush(text []byte, valid bool) (Push, error) {
	if syncschema.Openings(text) > maxDepth {
		text = new(pruner).prune(text)
	}
	// A decoder on a bytes.Buffer neither copies nor changes what it reads.
	d := pushDecoder{Decoder: jsontext.NewDecoder(bytes.NewBuffer(text), options), doubtful: !valid}
	return d.decode()
}

// pushDecoder decodes pushes.
type pushDecoder struct {
	*jsontext.Decoder
	// doubtful means that the body contains bytes that are not UTF-8.
	doubtful bool
	// notText means that the current op contains bytes that are not UTF-8. The decoder accepts them, because its option
	// for halves of surrogate pairs covers both.
	notText bool
}

// decode reads a push. It fails only if the envelope is wrong. It skips unused members, whatever they contain, because
// clients send outbox bookkeeping of many versions (contract, sync §2, §10.1).
func (d *pushDecoder) decode() (Push, error) {
	var in Push
	var caps Capabilities
	var haveOps bool
	if d.PeekKind() != '{' {
		return in, notObject(d.Decoder)
	}
	err := d.members(func(name []byte) (err error) {
		switch string(name) {
		case `"scope"`:
			return envelope(json.UnmarshalDecode(d.Decoder, &in.Scope))
		case `"fileKindCapability"`:
			return envelope(json.UnmarshalDecode(d.Decoder, &caps.FileKind))
		case `"workspaceItemCapability"`:
			return envelope(json.UnmarshalDecode(d.Decoder, &caps.WorkspaceItem))
		case `"ops"`:
			haveOps = true
			in.Ops, in.notText, err = d.ops()
			return err
		}
		return d.SkipValue()
	})
	if err != nil {
		return in, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		if err == nil {
			err = &jsontext.SyntacticError{ByteOffset: d.InputOffset(), Err: errors.New("more than one value")}
		}
		return in, err
	}
	if !haveOps || !in.Scope.OK() || !caps.OK() {
		return in, ErrEnvelope
	}
	in.WorkspaceItems = caps.WorkspaceItem != nil
	return in, nil
}

// notObject distinguishes an empty body or a value of another type from text that is not JSON.
func notObject(d *jsontext.Decoder) error {
	if err := d.SkipValue(); err != nil && err != io.EOF {
		return err
	}
	return ErrEnvelope
}

// envelope turns the error about a value of the wrong type into ErrEnvelope and passes other errors through.
func envelope(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return ErrEnvelope
	}
	return err
}

// members reads an object and calls f with the text of each name, quotes included. f consumes the value.
func (d *pushDecoder) members(f func(name []byte) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.text() // not a token, because its text would be allocated again for each of the millions of names
		if err != nil {
			return err
		}
		if bytes.IndexByte(name, '\\') >= 0 { // no client writes names with escapes, but they would be legal
			plain, _ := jsontext.AppendUnquote(nil, name)
			name, _ = jsontext.AppendQuote(nil, plain) // a name that is not text is not one we know either
		}
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// text reads a value, which is valid until the next read, and records whether it is text.
func (d *pushDecoder) text() (jsontext.Value, error) {
	v, err := d.ReadValue()
	d.notText = d.notText || d.doubtful && err == nil && !utf8.Valid(v)
	return v, err
}

// skip skips a value. It checks all texts in it and holds one at a time.
func (d *pushDecoder) skip() (err error) {
	for depth := 0; err == nil; {
		switch d.PeekKind() {
		case '{', '[':
			depth++
			_, err = d.ReadToken()
		case '}', ']':
			depth--
			_, err = d.ReadToken()
		default:
			_, err = d.text()
		}
		if depth <= 0 {
			return err
		}
	}
	return err
}

// ops reads the ops, and the indexes of those that contain bytes that are not UTF-8.
func (d *pushDecoder) ops() (ops []or3cloud.Op, notText map[int]bool, err error) {
	if d.PeekKind() != '[' {
		if err := d.SkipValue(); err != nil {
			return nil, nil, err
		}
		return nil, nil, ErrEnvelope
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, nil, err
	}
	for d.PeekKind() != ']' {
		if len(ops) == MaxOps {
			return nil, nil, ErrEnvelope
		}
		d.notText = false
		op, err := d.op()
		if err != nil {
			return nil, nil, err
		}
		if d.notText {
			if notText == nil {
				notText = map[int]bool{}
			}
			notText[len(ops)] = true
		}
		ops = append(ops, op)
	}
	_, err = d.ReadToken()
	return ops, notText, err
}

// op reads one op. A value that is not an object becomes an op that Judge always refuses.
func (d *pushDecoder) op() (op or3cloud.Op, err error) {
	op.Stamp.Clock = -1 // until a valid one is read
	if d.PeekKind() != '{' {
		return op, d.skip()
	}
	err = d.members(func(name []byte) error {
		switch string(name) {
		case `"tableName"`:
			return d.string(&op.Table)
		case `"operation"`:
			return d.string((*string)(&op.Operation))
		case `"pk"`:
			return d.string(&op.PK)
		case `"payload"`:
			return d.payload(&op.Payload)
		case `"stamp"`:
			return d.stamp(&op.Stamp)
		}
		return d.skip()
	})
	return op, err
}

func (d *pushDecoder) stamp(s *or3cloud.Stamp) error {
	if d.PeekKind() != '{' {
		return d.skip()
	}
	return d.members(func(name []byte) error {
		switch string(name) {
		case `"deviceId"`:
			return d.string(&s.DeviceID)
		case `"opId"`:
			return d.string(&s.OpID)
		case `"hlc"`:
			return d.string(&s.HLC)
		case `"clock"`:
			return d.clock(&s.Clock)
		}
		return d.skip()
	})
}

// string reads a string. A value of another type leaves "".
func (d *pushDecoder) string(dst *string) error {
	*dst = ""
	if d.PeekKind() != '"' {
		return d.skip()
	}
	v, err := d.text()
	if err != nil {
		return err
	}
	*dst = unquoted(v)
	return nil
}

// unquoted returns the text of a JSON string. Half a surrogate pair becomes U+FFFD.
func unquoted(v []byte) string {
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	plain, _ := jsontext.AppendUnquote(nil, v)
	return string(plain)
}

// clock reads a safe integer. Anything else leaves −1.
func (d *pushDecoder) clock(dst *int64) error {
	*dst = -1
	if d.PeekKind() != '0' {
		return d.skip()
	}
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	if n, ok := safeint.Parse(v); ok {
		*dst = n
	}
	return nil
}

// payload keeps the text of a payload as it came, because it must go back to clients byte for byte (contract, sync
// §4.1).
func (d *pushDecoder) payload(dst *[]byte) error {
	v, err := d.text()
	if err == nil {
		*dst = v[:len(v):len(v)]
	}
	return err
}

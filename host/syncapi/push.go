package syncapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/syncschema"
)

type gcMethod = func(or3cloud.SyncCollector, context.Context, or3cloud.SyncGCRequest) error

// faultPause is how long a client stays away after a fault of ours.
const faultPause = 5 * time.Second

// push answers no fault of ours with anything but 503: older clients keep the edits of a batch on that and drop them
// after four answers of most other kinds, and five such answers open their circuit breaker (contract, client-behaviour
// §3). The log has the cause.
func (a *API) push(w http.ResponseWriter, r *http.Request) error {
	err := a.tryPush(w, r)
	switch or3cloud.CodeOf(err) {
	case or3cloud.CodeInternal, or3cloud.CodeInsufficientStorage:
		return or3cloud.Unavailable(err, "Service Unavailable", faultPause)
	}
	return err
}

func (a *API) tryPush(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoCache(w)
	tab := &httpapi.RecordOf(r).Memory
	text, err := httpapi.ReadBody(r)
	if err != nil {
		return httpapi.BodyError(r, err, invalidPush)
	}
	in, err := decodePush(text)
	switch {
	case errors.Is(err, errEnvelope):
		return invalid(invalidPush)
	case err != nil:
		return httpapi.BodyError(r, err, invalidPush)
	}
	userID, err := a.admit(w, r, or3cloud.PermWorkspaceWrite, in.scope, middleware.SyncPush)
	if err != nil {
		return err
	}
	body := tab.Held()
	// The answer has its first piece before anything is written, since there is no way back after it.
	out, err := newAnswer(r.Context(), tab, `{"results":[`)
	if err != nil {
		return err
	}
	defer out.free()
	result, err := a.apply(r.Context(), userID, in)
	if err != nil {
		return err
	}
	a.opt.Limits.Record(middleware.SyncPush, userID)
	var left unfit
	left.leaveOut(result.Results)
	left.report(r)
	in, text = pushBody{}, nil
	tab.Shrink(body) // A client that is slow to take the answer does not hold what it has sent.
	out.encodePush(result)
	out.send(w)
	return nil
}

// apply hands the valid ops to the adapter in one call and puts its results and the refusals back into the order of
// the request. It moves the valid ops to the front of in.ops.
func (a *API) apply(ctx context.Context, userID string, in pushBody) (or3cloud.PushResult, error) {
	out := or3cloud.PushResult{Results: make([]or3cloud.OpResult, len(in.ops))}
	valid := in.ops[:0]
	places := make([]int, 0, len(in.ops))
	for i := range in.ops {
		op := &in.ops[i]
		p := syncschema.Check(op)
		if in.notText[i] {
			p = syncschema.NotText
		}
		if p != nil {
			out.Results[i] = refusal(i, op, p)
			continue
		}
		valid, places = append(valid, *op), append(places, i)
	}
	if len(valid) == 0 {
		return out, nil
	}
	done, err := a.opt.Adapter.Push(ctx, or3cloud.PushRequest{
		Scope: in.scope.scope(), UserID: userID, WorkspaceItems: in.workspaceItems, Ops: valid,
	})
	if err != nil {
		return or3cloud.PushResult{}, err
	}
	if len(done.Results) != len(valid) {
		// A missing result is retried and a surplus one is refused by clients; both would look like their fault.
		return or3cloud.PushResult{}, errors.New("the sync adapter did not answer with one result per op")
	}
	for i, place := range places {
		out.Results[place] = done.Results[i]
	}
	out.ServerVersion = done.ServerVersion
	return out, nil
}

// refusal is the result of an op that does not reach the adapter. An op whose id is unusable is named by its place.
func refusal(i int, op *or3cloud.Op, p *syncschema.Problem) or3cloud.OpResult {
	id := op.Stamp.OpID
	if !syncschema.IsUUID(id) {
		id = "invalid-op-" + strconv.Itoa(i)
	}
	return or3cloud.OpResult{OpID: id, Error: p.Text, ErrorCode: p.Code}
}

// errEnvelope says that a body is JSON but no push.
var errEnvelope = errors.New("not a push")

// pushBody is a decoded push. Its ops are not validated: what was missing or of the wrong type is a value that
// syncschema refuses.
type pushBody struct {
	scope          scope
	workspaceItems bool // the client knows workspace Files and Trash
	ops            []or3cloud.Op
	notText        map[int]bool // the places of ops that hold bytes which are not UTF-8
}

// decodePush decodes a push whose text stays as it is while the ops are used: payloads are parts of it. A decoder on a
// bytes.Buffer neither copies nor changes what it reads.
func decodePush(text []byte) (pushBody, error) {
	valid, openings := syncschema.Survey(text)
	if openings > maxDepth {
		text = new(pruner).prune(text)
	}
	d := pushDecoder{Decoder: jsontext.NewDecoder(bytes.NewBuffer(text), httpapi.JSONOptions()), doubtful: !valid}
	return d.decode()
}

// pushDecoder decodes pushes.
type pushDecoder struct {
	*jsontext.Decoder
	// doubtful says that the body holds bytes which are not UTF-8; else none of its parts does.
	doubtful bool
	// notText says that the op at hand holds bytes which are not UTF-8. The decoder is lenient about them, because it
	// takes them for the same thing as halves of surrogate pairs.
	notText bool
}

// decode reads a push. Only the envelope can fail it. Members that nobody needs are skipped, whatever they hold:
// clients send outbox bookkeeping of many versions (contract, sync §2, §10.1).
func (d *pushDecoder) decode() (pushBody, error) {
	var in pushBody
	var caps capabilities
	var haveOps bool
	if d.PeekKind() != '{' {
		return in, notObject(d.Decoder)
	}
	err := d.members(func(name []byte) (err error) {
		switch string(name) {
		case `"scope"`:
			return envelope(json.UnmarshalDecode(d.Decoder, &in.scope))
		case `"fileKindCapability"`:
			return envelope(json.UnmarshalDecode(d.Decoder, &caps.FileKind))
		case `"workspaceItemCapability"`:
			return envelope(json.UnmarshalDecode(d.Decoder, &caps.WorkspaceItem))
		case `"ops"`:
			haveOps = true
			in.ops, in.notText, err = d.ops()
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
	if !haveOps || !in.scope.ok() || !caps.ok() {
		return in, errEnvelope
	}
	in.workspaceItems = caps.WorkspaceItem != nil
	return in, nil
}

// notObject tells an empty body or a value of another kind from text that is not JSON.
func notObject(d *jsontext.Decoder) error {
	if err := d.SkipValue(); err != nil && err != io.EOF {
		return err
	}
	return errEnvelope
}

// envelope turns a value of the wrong type into errEnvelope and leaves other errors as they are.
func envelope(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return errEnvelope
	}
	return err
}

// members reads an object and calls f with the text of each name, quotes included; f consumes the value.
func (d *pushDecoder) members(f func(name []byte) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.text() // not a token: its text would be allocated again for each of the millions of names
		if err != nil {
			return err
		}
		if bytes.IndexByte(name, '\\') >= 0 { // no client writes names with escapes, but they would be legal
			plain, _ := jsontext.AppendUnquote(nil, name)
			name, _ = jsontext.AppendQuote(nil, plain) // what is not text is no name of ours either
		}
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// text reads a value, which is valid until the next read, and notes whether it is text.
func (d *pushDecoder) text() (jsontext.Value, error) {
	v, err := d.ReadValue()
	d.notText = d.notText || d.doubtful && err == nil && !utf8.Valid(v)
	return v, err
}

// skip passes over a value. It looks at all its texts and holds one at a time.
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

// ops reads the ops, and the places of those that hold bytes which are not UTF-8.
func (d *pushDecoder) ops() (ops []or3cloud.Op, notText map[int]bool, err error) {
	if d.PeekKind() != '[' {
		if err := d.SkipValue(); err != nil {
			return nil, nil, err
		}
		return nil, nil, errEnvelope
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, nil, err
	}
	for d.PeekKind() != ']' {
		if len(ops) == maxOps {
			return nil, nil, errEnvelope
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

// op reads one op. A value that is not an object gives an op that nothing accepts.
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

// string reads a string; another kind of value leaves "".
func (d *pushDecoder) string(dst *string) error {
	*dst = ""
	if d.PeekKind() != '"' {
		return d.skip()
	}
	v, err := d.text()
	if err != nil {
		return err
	}
	if bytes.IndexByte(v, '\\') < 0 {
		*dst = string(v[1 : len(v)-1])
		return nil
	}
	plain, _ := jsontext.AppendUnquote(nil, v) // half a surrogate pair becomes U+FFFD
	*dst = string(plain)
	return nil
}

// clock reads a safe integer; anything else leaves −1.
func (d *pushDecoder) clock(dst *int64) error {
	*dst = -1
	if d.PeekKind() != '0' {
		return d.skip()
	}
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	if n, ok := httpapi.ParseInt(v); ok {
		*dst = n
	}
	return nil
}

// payload keeps the text of a payload as it came: it must go back to clients byte for byte (contract, sync §4.1).
func (d *pushDecoder) payload(dst *[]byte) error {
	v, err := d.text()
	if err == nil {
		*dst = v[:len(v):len(v)]
	}
	return err
}

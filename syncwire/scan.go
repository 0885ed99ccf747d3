package syncwire

import (
	"slices"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsonscan"
	"or3.chat/cloud/internal/safeint"
	"or3.chat/cloud/internal/syncschema"
)

// envelopeLevels is the number of objects and arrays open around a payload: the push, its ops, and the op.
const envelopeLevels = 3

// pushScanner reads pushes in the form in which clients send them. It looks at each byte once, and on the way records
// what judging the payloads needs. It fails at anything else and leaves it to pushDecoder. Whatever the scanner
// accepts, the decoder reads as the same push: of most duplicate members both keep the last, and both merge duplicate
// objects.
type pushScanner struct{ jsonscan.Scanner }

// scanPush reads a push from a text that is UTF-8. ok is false if the text needs the decoder.
func scanPush(text []byte) (in Push, ok bool) {
	s := pushScanner{jsonscan.New(text, envelopeLevels+syncschema.MaxDepth)}
	haveOps := false
	for more := s.Open('{'); more; more = s.More('{') {
		switch string(s.Name()) {
		case "scope":
			s.scope(&in.Scope)
		case "fileKindCapability":
			s.capability()
		case "workspaceItemCapability":
			s.capability()
			in.WorkspaceItems = true
		case "ops":
			if haveOps {
				s.Fail() // room for the ops is allocated once
			}
			haveOps = true
			in.Ops, in.found = s.ops()
		default:
			s.Value()
		}
	}
	return in, s.Done() && haveOps && in.Scope.OK()
}

func (s *pushScanner) scope(scope *Scope) {
	for more := s.Open('{'); more; more = s.More('{') {
		switch string(s.Name()) {
		case "workspaceId":
			scope.WorkspaceID = s.string()
		case "projectId":
			id := s.string()
			scope.ProjectID = &id
		default:
			s.Value()
		}
	}
}

// capability fails at anything but a known capability.
func (s *pushScanner) capability() {
	if s.string() != "v1" {
		s.Fail()
	}
}

// ops reads the ops and finds what Check needs in their payloads.
func (s *pushScanner) ops() (ops []or3cloud.Op, found []syncschema.Places) {
	for more := s.Open('['); more; more = s.More('[') {
		n, begin := len(ops), s.At()
		if n == MaxOps {
			s.Fail()
			break
		}
		ops, found = append(ops, or3cloud.Op{}), append(found, nil)
		s.op(&ops[n], &found[n])
		if n == 0 { // assume that the others are as large
			others := min(MaxOps-1, s.Left()/max(1, s.At()-begin))
			ops, found = slices.Grow(ops, others), slices.Grow(found, others)
		}
	}
	return ops, found
}

func (s *pushScanner) op(op *or3cloud.Op, found *syncschema.Places) {
	op.Stamp.Clock = -1 // until one is read
	for more := s.Open('{'); more; more = s.More('{') {
		switch string(s.Name()) {
		case "tableName":
			op.Table = s.string()
			*found = nil // the table decides what to look for
		case "operation":
			op.Operation = or3cloud.Operation(s.string())
		case "pk":
			op.PK = s.string()
		case "payload":
			switch {
			case op.Payload != nil:
				s.Fail()
			case op.Table != "" && s.Next() == '{':
				op.Payload, *found = syncschema.ReadPayload(&s.Scanner, op.Table)
			default:
				op.Payload = s.Value()
			}
		case "stamp":
			s.stamp(&op.Stamp)
		default:
			s.Value()
		}
	}
	if op.Stamp.OpID == "" {
		s.Fail() // not from a client
	}
}

func (s *pushScanner) stamp(stamp *or3cloud.Stamp) {
	for more := s.Open('{'); more; more = s.More('{') {
		switch string(s.Name()) {
		case "deviceId":
			stamp.DeviceID = s.string()
		case "opId":
			stamp.OpID = s.string()
		case "hlc":
			stamp.HLC = s.string()
		case "clock":
			stamp.Clock = s.clock()
		default:
			s.Value()
		}
	}
}

// string reads a string.
func (s *pushScanner) string() string {
	v, _ := s.String()
	if s.Failed() {
		return ""
	}
	return unquoted(v)
}

// clock reads a safe integer.
func (s *pushScanner) clock() int64 {
	n, ok := safeint.Parse(s.Value())
	if !ok {
		s.Fail()
	}
	return n
}

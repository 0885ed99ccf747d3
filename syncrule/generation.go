package syncrule

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// backgroundDevice is the prefix of the device id of a generation's ops (contract, sync §10.8).
const backgroundDevice = "background:"

// noHLC is the stamp of a record without an HLC. It is the lowest one, so that the same revision written with a real
// HLC wins, and so that a repeated admission produces the same op.
const noHLC = "000000000:000:" + serverDevice

// The stages of a generation.
const (
	stageThread    = "thread"
	stageUser      = "user"
	stageAssistant = "assistant"
	stageFinal     = "final"
)

// stageID returns the op id of a stage, which ensures that it happens once.
func stageID(g *or3cloud.ChatGeneration, stage string) string {
	return or3cloud.NotificationID("generation", g.WorkspaceID, g.GenerationID, stage)
}

// Hosts tell final from temporary failures by the text, so these begin with a word that hosts know.

func invalidGeneration(why string) error {
	return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid background history: %s", why)
}

func conflictingGeneration(why string) error {
	return or3cloud.Errorf(or3cloud.CodeConflict, "Conflicting background history: %s", why)
}

// ErrGenerationDiffers means that a generation was admitted with other records, or that its id belongs to another one.
var ErrGenerationDiffers = conflictingGeneration("the generation was admitted otherwise")

// Generation is an admission that has been checked.
type Generation struct {
	of *or3cloud.ChatGeneration
	// Ops are the ops of the admission, in order: the thread and the user's message, if present, and last the message
	// of the answer.
	Ops []or3cloud.Op
	// Fingerprints identify the announced records, in the order of the ops. The ops contain more than was announced.
	Fingerprints [][]byte
}

// Assistant returns the op that announces the message of the answer.
func (g *Generation) Assistant() *or3cloud.Op { return &g.Ops[len(g.Ops)-1] }

// FinalID returns the op id of the finished message.
func (g *Generation) FinalID() string { return stageID(g.of, stageFinal) }

// maxCaptured limits the total payload bytes of an admission's ops, which are written at once.
const maxCaptured = 4 << 20

func tooLarge(what string) error {
	return or3cloud.Errorf(or3cloud.CodeTooLarge, "Invalid background history: %s too large", what)
}

// unfit returns the refusal of an op that fails validation.
func unfit(problem *syncschema.Problem) error {
	if problem.Code == or3cloud.OpErrorOversized {
		return tooLarge("the message is")
	}
	return invalidGeneration(problem.Text)
}

// defaults returns the members that an op gets where the client's row has none. A client gives the rows that it pushes
// such values (contract, client-behaviour §2), and no device could accept an op without them.
func defaults(stage, table string, stamp *or3cloud.Stamp, now time.Time) []syncschema.Member {
	at := jsontext.Value(strconv.AppendInt(nil, now.Unix(), 10))
	all := []syncschema.Member{
		{Name: "deleted", Value: jsontext.Value("false")}, {Name: "created_at", Value: at}, {Name: "updated_at", Value: at},
	}
	if table == or3cloud.TableThreads {
		return append(all,
			syncschema.Member{Name: "status", Value: jsontext.Value(`"ready"`)},
			syncschema.Member{Name: "pinned", Value: jsontext.Value("false")},
			syncschema.Member{Name: "forked", Value: jsontext.Value("false")})
	}
	index := jsontext.Value("0")
	if stage == stageAssistant {
		index = jsontext.Value("1")
	}
	return append(all, syncschema.Member{Name: "index", Value: index}, syncschema.Member{Name: "order_key", Value: quoted(stamp.HLC)})
}

func quoted(text string) jsontext.Value {
	value, err := jsontext.AppendQuote(nil, text)
	if err != nil { // it was part of a JSON text
		return jsontext.Value(`""`)
	}
	return value
}

// CheckGeneration checks an announced answer on its own and returns the ops that record it (contract, sync §10.8).
func CheckGeneration(g *or3cloud.ChatGeneration, now time.Time) (Generation, error) {
	switch {
	case g.AdmissionID == "" || g.GenerationID == "" || g.WorkspaceID == "" || g.ThreadID == "" || g.MessageID == "":
		return Generation{}, invalidGeneration("an id is missing")
	case max(len(g.AdmissionID), len(g.GenerationID)) > or3cloud.MaxChatID:
		return Generation{}, invalidGeneration("an id is too long")
	case g.Kind != or3cloud.NewTurn && g.Kind != or3cloud.Continuation:
		return Generation{}, invalidGeneration("unknown kind")
	case g.Kind == or3cloud.NewTurn && (g.Thread == nil || g.UserMessage == nil):
		return Generation{}, invalidGeneration("a new turn has a thread and a user message")
	case g.Kind == or3cloud.Continuation && (g.Expected == nil || g.Expected.Clock < 0):
		return Generation{}, invalidGeneration("a continuation expects a message")
	case len(g.Thread)+len(g.UserMessage)+len(g.AssistantMessage) > or3cloud.MaxGenerationBytes:
		return Generation{}, tooLarge("the records are")
	}
	out, size := Generation{of: g}, 0
	add := func(stage, table string, payload []byte, fits func(r *syncschema.ChatRecord) bool) error {
		r, err := syncschema.ReadChatRecord(payload)
		if err != nil || !fits(&r) {
			return invalidGeneration("the " + stage + " record does not belong to it")
		}
		op := or3cloud.Op{Table: table, Operation: or3cloud.OpPut, PK: r.ID, Payload: payload, Stamp: or3cloud.Stamp{
			DeviceID: backgroundDevice + g.GenerationID, OpID: stageID(g, stage), HLC: noHLC, Clock: r.Clock,
		}}
		if r.HLC != "" {
			op.Stamp.HLC = r.HLC
		}
		out.Fingerprints = append(out.Fingerprints, Fingerprint(&op))
		if op.Payload, err = syncschema.Capture(table, payload, defaults(stage, table, &op.Stamp, now)); err != nil {
			return invalidGeneration("the " + stage + " record is not an object")
		}
		if size += len(op.Payload); size > maxCaptured {
			return tooLarge("the records are")
		}
		if problem := syncschema.Check(&op); problem != nil {
			return unfit(problem)
		}
		if op.Facts.Deleted {
			return invalidGeneration("the " + stage + " record is deleted")
		}
		out.Ops = append(out.Ops, op)
		return nil
	}
	if g.Thread != nil {
		if err := add(stageThread, or3cloud.TableThreads, g.Thread, func(r *syncschema.ChatRecord) bool {
			return r.ID == g.ThreadID
		}); err != nil {
			return out, err
		}
	}
	if g.UserMessage != nil {
		if err := add(stageUser, or3cloud.TableMessages, g.UserMessage, func(r *syncschema.ChatRecord) bool {
			return r.ThreadID == g.ThreadID && r.Role == "user" && r.ID != g.MessageID
		}); err != nil {
			return out, err
		}
	}
	return out, add(stageAssistant, or3cloud.TableMessages, g.AssistantMessage, func(r *syncschema.ChatRecord) bool {
		return r.ID == g.MessageID && r.ThreadID == g.ThreadID && r.Role == "assistant" &&
			(r.GenerationID == "" || r.GenerationID == g.GenerationID) && (g.Kind == or3cloud.NewTurn || r.Clock > g.Expected.Clock)
	})
}

// Message is the winner of a message, as far as the rules of background answers need it. The zero value means that
// there is none.
type Message struct {
	Record
	// Device and Payload belong to the winning op.
	Device  string
	Payload []byte
}

// generation returns the generation that wrote the message, or "" if unknown.
func (m *Message) generation() string {
	if id := syncschema.GenerationID(m.Payload); id != "" {
		return id
	}
	id, _ := strings.CutPrefix(m.Device, backgroundDevice)
	if id == m.Device {
		return ""
	}
	return id
}

// is reports whether the message is unchanged since an admission: written by the admission's op, or by the client's own
// op of the same revision.
func (m *Message) is(g *Generation) bool {
	op := g.Assistant()
	return m.Revision.OpID == op.Stamp.OpID || m.Revision.Clock == op.Stamp.Clock && m.generation() == g.of.GenerationID
}

// Admit checks an admission against the store: the winners of the records that its ops address, in the order of the
// ops, the thread's winner, and the message's.
func (g *Generation) Admit(winners []Record, thread *Record, message *Message) error {
	threadWritten := false
	for i := range g.Ops {
		op := &g.Ops[i]
		if refusal := Refuse(op, &winners[i], true); refusal != nil {
			return invalidGeneration(refusal.Text)
		}
		if !winners[i].LosesTo(op) && winners[i].State.Fate() != Live {
			return conflictingGeneration("a record was deleted")
		}
		threadWritten = threadWritten || op.Table == or3cloud.TableThreads
	}
	if !threadWritten && thread.Exists() && thread.State.Fate() != Live {
		return conflictingGeneration("the thread was deleted")
	}
	if g.of.Kind == or3cloud.Continuation && message.Exists() {
		if err := g.goesOn(message); err != nil {
			return err
		}
	}
	if !message.LosesTo(g.Assistant()) && !message.is(g) {
		return conflictingGeneration("the message was superseded")
	}
	return nil
}

// goesOn checks whether a message is the one that a continuation expects. It may be older, if the client has not pushed
// it yet.
func (g *Generation) goesOn(message *Message) error {
	expected, clock := g.of.Expected, message.Revision.Clock
	switch {
	case message.State.Fate() != Live:
		return conflictingGeneration("the message was deleted")
	case clock > expected.Clock && !message.is(g),
		clock == expected.Clock && expected.GenerationID != "" && message.generation() != expected.GenerationID:
		return conflictingGeneration("the message is not the expected one")
	}
	return nil
}

// Superseded returns the reason why the answer of a generation is not written, or "" if it is.
func (g *Generation) Superseded(message *Message) or3cloud.SupersededReason {
	switch {
	case !message.Exists():
		return or3cloud.SupersededMissing
	case message.State.Fate() != Live:
		return or3cloud.SupersededDeleted
	case message.is(g):
		return ""
	}
	if other := message.generation(); other != "" && other != g.of.GenerationID {
		return or3cloud.SupersededNewerGeneration
	}
	return or3cloud.SupersededEdited
}

// states maps the end of a generation to the client's word for it.
var states = map[or3cloud.GenerationStatus]string{
	or3cloud.GenerationComplete: "complete", or3cloud.GenerationError: "failed", or3cloud.GenerationAborted: "aborted",
}

// CheckSnapshot checks the end of a generation on its own.
func CheckSnapshot(s *or3cloud.GenerationSnapshot) error {
	switch {
	case states[s.Status] == "":
		return invalidGeneration("unknown status")
	case !isKind(s.Content, '"') || s.Reasoning != nil && !isKind(s.Reasoning, '"'):
		return invalidGeneration("content and reasoning are texts")
	case s.ToolCalls != nil && !isKind(s.ToolCalls, '['):
		return invalidGeneration("tool calls are a list")
	case s.Usage != nil && !isKind(s.Usage, '{'):
		return invalidGeneration("usage is an object")
	case s.Error != nil && !isKind(s.Error, '"'):
		return invalidGeneration("an error is a text")
	case s.CompletedAt.Unix() < 0 || s.CompletedAt.Unix() > or3cloud.MaxSafeInteger/1000:
		return invalidGeneration("it has no time at which it was completed")
	case len(s.Content)+len(s.Reasoning)+len(s.ToolCalls)+len(s.Usage)+len(s.Error) > or3cloud.MaxGenerationBytes:
		return tooLarge("the answer is")
	}
	return nil
}

func isKind(value []byte, kind jsontext.Kind) bool {
	return jsontext.Value(value).Kind() == kind &&
		jsontext.Value(value).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// Finish returns the op that makes the answer the content of a message that is not superseded.
func (g *Generation) Finish(s *or3cloud.GenerationSnapshot, message *Message, now time.Time) (or3cloud.Op, error) {
	orNull := func(v []byte) jsontext.Value {
		if v == nil || string(v) == `""` {
			return jsontext.Value("null")
		}
		return v
	}
	stamp := or3cloud.Stamp{
		DeviceID: backgroundDevice + g.of.GenerationID, OpID: g.FinalID(), HLC: hlc(now), Clock: message.Revision.Clock + 1,
	}
	data := []syncschema.Member{
		{Name: "content", Value: s.Content},
		{Name: "reasoning_text", Value: orNull(s.Reasoning)},
		{Name: "tool_calls", Value: orNull(s.ToolCalls)},
		{Name: "error", Value: orNull(s.Error)},
		{Name: "generation_id", Value: quoted(g.of.GenerationID)},
		{Name: "generation_state", Value: quoted(states[s.Status])},
		{Name: "background_job_status", Value: quoted(string(s.Status))},
		{Name: "background_job_error", Value: orNull(s.Error)},
	}
	if s.Usage != nil {
		data = append(data, syncschema.Member{Name: "usage", Value: s.Usage})
	}
	payload, err := syncschema.Finish(message.Payload, []syncschema.Member{
		{Name: "pending", Value: jsontext.Value("false")},
		{Name: "error", Value: s.Error}, // clients omit it if there is none
		{Name: "updated_at", Value: strconv.AppendInt(nil, s.CompletedAt.Unix(), 10)},
		{Name: "clock", Value: strconv.AppendInt(nil, stamp.Clock, 10)},
		{Name: "hlc", Value: quoted(stamp.HLC), Known: true},
		{Name: "op_id", Value: quoted(stamp.OpID), Known: true},
	}, data)
	if err != nil {
		return or3cloud.Op{}, err
	}
	op := or3cloud.Op{Table: or3cloud.TableMessages, Operation: or3cloud.OpPut, PK: g.of.MessageID, Payload: payload, Stamp: stamp}
	if problem := syncschema.Check(&op); problem != nil {
		return op, unfit(problem)
	}
	if refusal := Refuse(&op, &message.Record, true); refusal != nil {
		return op, invalidGeneration(refusal.Text)
	}
	return op, nil
}

package webhook

import (
	"time"
	"unicode/utf16"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
)

// maxNumber is the largest length of a number in a delivery, in digits and signs.
const maxNumber = 40

// maxText is how much of a text a delivery carries, in UTF-16 units. Rows may have texts of megabytes.
const maxText = 4096

// event returns the event of an applied op (contract, sync §10.7), or "" if there is none. A put of a row that is
// marked deleted counts as a deletion, because older clients delete that way. There is no event for deleted messages.
func event(op *or3cloud.AppliedOp, deleted bool) string {
	switch op.Table {
	case or3cloud.TableThreads:
		return choose(op, deleted, or3cloud.EventThreadCreated, or3cloud.EventThreadUpdated, or3cloud.EventThreadDeleted)
	case or3cloud.TablePosts:
		return choose(op, deleted, or3cloud.EventDocumentCreated, or3cloud.EventDocumentUpdated, or3cloud.EventDocumentDeleted)
	case or3cloud.TableMessages:
		return choose(op, deleted, or3cloud.EventMessageCreated, or3cloud.EventMessageUpdated, or3cloud.EventMessageUpdated)
	case or3cloud.TableNotifications:
		return choose(op, deleted, or3cloud.EventNotification, "", "")
	}
	return ""
}

func choose(op *or3cloud.AppliedOp, deleted bool, created, updated, gone string) string {
	switch {
	case deleted:
		return gone
	case op.Existed:
		return updated
	}
	return created
}

// row has the members of a payload that an event shows. Clients wrote the payloads, so members may have any type.
type row struct {
	Title      jsontext.Value `json:"title"`
	Status     jsontext.Value `json:"status"`
	Deleted    jsontext.Value `json:"deleted"`
	Pinned     jsontext.Value `json:"pinned"`
	ThreadID   jsontext.Value `json:"thread_id"`
	DocumentID jsontext.Value `json:"document_id"`
	Role       jsontext.Value `json:"role"`
	Content    jsontext.Value `json:"content"`
	Data       jsontext.Value `json:"data"`
	Index      jsontext.Value `json:"index"`
	OrderKey   jsontext.Value `json:"order_key"`
	Type       jsontext.Value `json:"type"`
	Body       jsontext.Value `json:"body"`
	ReadAt     jsontext.Value `json:"read_at"`
	CreatedAt  jsontext.Value `json:"created_at"`
	UpdatedAt  jsontext.Value `json:"updated_at"`
}

var payloadOptions = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// read reads a payload. It shows nothing of a payload that cannot be read.
func read(payload []byte) (r row) {
	if len(payload) > 0 && json.Unmarshal(payload, &r, payloadOptions) != nil {
		return row{}
	}
	return r
}

// content returns the text of a message, which clients keep in its data.
func (r row) content() *string {
	if t := text(r.Content); t != nil {
		return t
	}
	var data struct {
		Content jsontext.Value `json:"content"`
	}
	if r.Data.Kind() != '{' || json.Unmarshal(r.Data, &data, payloadOptions) != nil {
		return nil
	}
	return text(data.Content)
}

// length returns the length of a document's text, in UTF-16 units.
func (r row) length() *int {
	t, ok := unquoted(r.Content)
	if !ok {
		return nil
	}
	n := jsstring.Len(t)
	return &n
}

// text returns a text, cut to what a delivery carries, or nil if v is not a text.
func text(v jsontext.Value) *string {
	t, ok := unquoted(v)
	if !ok {
		return nil
	}
	t = cut(t)
	return &t
}

func unquoted(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	t, err := jsontext.AppendUnquote(nil, v)
	if err != nil && t == nil {
		return "", false
	}
	return string(t), true // lone surrogates have been replaced
}

// number passes a number on unchanged. Anything else, and a number written at length, becomes null.
func number(v jsontext.Value) jsontext.Value {
	if v.Kind() != '0' || len(v) > maxNumber {
		return jsontext.Value("null")
	}
	return v
}

func isTrue(v jsontext.Value) bool { return v.Kind() == 't' }

// cut cuts a text to maxText UTF-16 units.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := 0
	for i, r := range s {
		if n += max(utf16.RuneLen(r), 1); n > maxText {
			return s[:i]
		}
	}
	return s
}

// The data of the events (contract, workspaces-and-admin §11), for users and administrators.
type (
	userBody struct {
		head
		UserID *string `json:"user_id"`
		Data   any     `json:"data"`
	}
	adminBody struct {
		head
		Scope or3cloud.WebhookScope `json:"scope"`
		Data  any                   `json:"data"`
	}
	head struct {
		Event       string  `json:"event"`
		EventID     string  `json:"event_id"`
		Timestamp   string  `json:"timestamp"`
		WorkspaceID *string `json:"workspace_id"`
	}
)

type (
	testData struct {
		OK   bool `json:"ok"`
		Test bool `json:"test"`
	}
	threadData struct {
		ID        string         `json:"id"`
		Title     *string        `json:"title"`
		Status    *string        `json:"status"`
		Deleted   bool           `json:"deleted"`
		Pinned    bool           `json:"pinned"`
		CreatedAt jsontext.Value `json:"created_at"`
		UpdatedAt jsontext.Value `json:"updated_at"`
	}
	messageData struct {
		ID        string         `json:"id"`
		ThreadID  *string        `json:"thread_id"`
		Role      *string        `json:"role"`
		Content   *string        `json:"content"`
		Deleted   bool           `json:"deleted"`
		Index     jsontext.Value `json:"index"`
		OrderKey  *string        `json:"order_key"`
		CreatedAt jsontext.Value `json:"created_at"`
		UpdatedAt jsontext.Value `json:"updated_at"`
	}
	completedData struct {
		ThreadID    string  `json:"thread_id"`
		MessageID   string  `json:"message_id"`
		ModelID     *string `json:"model_id"`
		JobID       *string `json:"job_id"`
		CompletedAt string  `json:"completed_at"`
	}
	documentData struct {
		ID            string         `json:"id"`
		Title         *string        `json:"title"`
		ContentLength *int           `json:"content_length"`
		Deleted       bool           `json:"deleted"`
		CreatedAt     jsontext.Value `json:"created_at"`
		UpdatedAt     jsontext.Value `json:"updated_at"`
	}
	notificationData struct {
		ID         string         `json:"id"`
		UserID     string         `json:"user_id"`
		ThreadID   *string        `json:"thread_id"`
		DocumentID *string        `json:"document_id"`
		Type       *string        `json:"type"`
		Title      *string        `json:"title"`
		Body       *string        `json:"body"`
		ReadAt     jsontext.Value `json:"read_at"`
		CreatedAt  jsontext.Value `json:"created_at"`
		UpdatedAt  jsontext.Value `json:"updated_at"`
	}
)

// data returns what an event shows of its row.
func data(op *or3cloud.AppliedOp, r row, deleted bool) any {
	created, updated := number(r.CreatedAt), number(r.UpdatedAt)
	if updated.Kind() == 'n' { // a deletion may come without the row
		updated, _ = json.Marshal(op.At.Unix())
	}
	switch op.Table {
	case or3cloud.TableThreads:
		return threadData{op.PK, text(r.Title), text(r.Status), deleted, isTrue(r.Pinned), created, updated}
	case or3cloud.TableMessages:
		return messageData{
			op.PK, text(r.ThreadID), text(r.Role), r.content(), deleted, number(r.Index), text(r.OrderKey), created, updated,
		}
	case or3cloud.TablePosts:
		return documentData{op.PK, text(r.Title), r.length(), deleted, created, updated}
	}
	return notificationData{
		op.PK, op.OwnerID, text(r.ThreadID), text(r.DocumentID), text(r.Type), text(r.Title), text(r.Body), number(r.ReadAt), created, updated,
	}
}

// encode returns the body of an event for a webhook.
func encode(w *or3cloud.Webhook, event, eventID string, at time.Time, data any) ([]byte, error) {
	h := head{
		Event: event, EventID: eventID, Timestamp: timestamp(at), WorkspaceID: orNull(w.WorkspaceID),
	}
	if w.Scope == or3cloud.WebhookAdmin {
		return json.Marshal(adminBody{h, w.Scope, data})
	}
	return json.Marshal(userBody{h, orNull(w.UserID), data})
}

// timestamp writes a time as JavaScript does.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func orNull(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

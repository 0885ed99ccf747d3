package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
)

type (
	chatQuery struct {
		// Kind is thread, messages or thread_page.
		Kind       or3cloud.ChatQueryKind `json:"kind"`
		ThreadID   string                 `json:"thread_id,omitempty"`
		MessageIDs []string               `json:"message_ids,omitempty"`
		Cursor     string                 `json:"cursor,omitempty"`
		Limit      httpapi.Int            `json:"limit,omitempty"`
	}
	chatRequest struct {
		WorkspaceID string    `json:"workspaceId"`
		Query       chatQuery `json:"query"`
	}
	chatAnswer struct {
		// Status is ok or scope_incomplete.
		Status           string                    `json:"status"`
		Thread           json.RawMessage           `json:"thread,omitempty"`
		ProjectOwnership or3cloud.ProjectOwnership `json:"project_ownership,omitempty"`
		Messages         []json.RawMessage         `json:"messages,omitempty"`
		NextCursor       string                    `json:"next_cursor,omitempty"`
		// ExaminedRows is left out where no page was asked for.
		ExaminedRows int    `json:"examined_rows,omitempty"`
		Revision     string `json:"revision,omitempty"`
	}
	expectedAssistant struct {
		Clock        httpapi.Int `json:"clock"`
		GenerationID string      `json:"generationId,omitempty"`
	}
	admissionEnvelope struct {
		// Version is 1.
		Version          httpapi.Int             `json:"version"`
		Kind             or3cloud.GenerationKind `json:"kind"`
		AdmissionID      string                  `json:"admissionId"`
		GenerationID     string                  `json:"generationId"`
		WorkspaceID      string                  `json:"workspaceId"`
		ThreadID         string                  `json:"threadId"`
		MessageID        string                  `json:"messageId"`
		Thread           json.RawMessage         `json:"thread,omitempty"`
		UserMessage      json.RawMessage         `json:"userMessage,omitempty"`
		AssistantMessage json.RawMessage         `json:"assistantMessage"`
		// ExpectedAssistant is the message that a continuation goes on from.
		ExpectedAssistant *expectedAssistant `json:"expectedAssistant,omitempty"`
	}
	generationSnapshot struct {
		// Status is complete, error or aborted.
		Status    or3cloud.GenerationStatus `json:"status"`
		Content   json.RawMessage           `json:"content"`
		Reasoning json.RawMessage           `json:"reasoning,omitempty"`
		ToolCalls json.RawMessage           `json:"toolCalls,omitempty"`
		Usage     json.RawMessage           `json:"usage,omitempty"`
		Error     json.RawMessage           `json:"error,omitempty"`
		// CompletedAt is in Unix milliseconds.
		CompletedAt httpapi.Int `json:"completedAt"`
	}
	finalizeRequest struct {
		Admission admissionEnvelope  `json:"admission"`
		Snapshot  generationSnapshot `json:"snapshot"`
	}
	admitted struct {
		// Status is admitted.
		Status        string `json:"status"`
		Replayed      bool   `json:"replayed"`
		ServerVersion int64  `json:"serverVersion"`
	}
	finalized struct {
		// Status is committed, with Replayed and ServerVersion, or superseded, with Reason.
		Status        string                    `json:"status"`
		Replayed      *bool                     `json:"replayed,omitempty"`
		ServerVersion int64                     `json:"serverVersion,omitempty"`
		Reason        or3cloud.SupersededReason `json:"reason,omitempty"`
	}
)

// generationBody is the largest body of an admission, in bytes, and of a finalization, which repeats it.
const generationBody = 2*or3cloud.MaxGenerationBytes + bodyLimit

func historyMethods() []method {
	history := by[or3cloud.GenerationHistory](or3cloud.ProviderSync)
	return []method{
		readChat(),
		does("sync/admit-chat-generation", "SyncGatewayAdapter.admitChatGeneration.", history,
			func(c call, h or3cloud.GenerationHistory, in admissionEnvelope) (out admitted, err error) {
				g, err := in.generation(c)
				if err != nil {
					return out, err
				}
				r, err := h.AdmitChatGeneration(c, g)
				return admitted{"admitted", r.Replayed, r.ServerVersion}, err
			}).asUser().of(generationBody).final(),
		does("sync/finalize-chat-generation", "SyncGatewayAdapter.finalizeChatGeneration.", history,
			func(c call, h or3cloud.GenerationHistory, in finalizeRequest) (out finalized, err error) {
				g, err := in.Admission.generation(c)
				if err != nil {
					return out, err
				}
				r, err := h.FinalizeChatGeneration(c, g, in.Snapshot.contract())
				if r.Superseded != "" {
					return finalized{Status: "superseded", Reason: r.Superseded}, err
				}
				return finalized{Status: "committed", Replayed: &r.Replayed, ServerVersion: r.ServerVersion}, err
			}).asUser().of(generationBody).final(),
	}
}

// final makes a method one whose host blocks a job by words in the message of an error: what is too large to be read will not get
// smaller.
func (m method) final() method {
	serve := m.serve
	m.serve = func(e *Engine, p *instance.Providers) *or3cloud.Route {
		route := serve(e, p)
		if route == nil {
			return nil
		}
		handle := route.Handle
		route.Handle = func(w http.ResponseWriter, r *http.Request) error {
			err := handle(w, r)
			var fault *or3cloud.Error
			if errors.As(err, &fault) && fault.Code == or3cloud.CodeTooLarge && !strings.HasPrefix(fault.Message, "Invalid") {
				return or3cloud.WrapError(err, or3cloud.CodeTooLarge, "Invalid background history: "+fault.Message)
			}
			return err
		}
		return route
	}
	return m
}

// envelopeVersion is the version of an admission that is spoken.
const envelopeVersion = 1

func (in admissionEnvelope) generation(c call) (or3cloud.ChatGeneration, error) {
	user, err := c.user()
	if err != nil {
		return or3cloud.ChatGeneration{}, err
	}
	if in.Version != envelopeVersion {
		return or3cloud.ChatGeneration{}, or3cloud.Errorf(or3cloud.CodeInvalid,
			"Invalid background history: version %d is not supported", in.Version)
	}
	g := or3cloud.ChatGeneration{
		Kind: in.Kind, WorkspaceID: in.WorkspaceID, UserID: user, AdmissionID: in.AdmissionID, GenerationID: in.GenerationID,
		ThreadID: in.ThreadID, MessageID: in.MessageID,
		Thread: given(in.Thread), UserMessage: given(in.UserMessage), AssistantMessage: given(in.AssistantMessage),
	}
	if e := in.ExpectedAssistant; e != nil {
		g.Expected = &or3cloud.ExpectedAssistant{Clock: int64(e.Clock), GenerationID: e.GenerationID}
	}
	return g, nil
}

func (in generationSnapshot) contract() or3cloud.GenerationSnapshot {
	return or3cloud.GenerationSnapshot{
		Status: in.Status, Content: given(in.Content), Reasoning: given(in.Reasoning), ToolCalls: given(in.ToolCalls),
		Usage: given(in.Usage), Error: given(in.Error), CompletedAt: time.UnixMilli(int64(in.CompletedAt)),
	}
}

// given returns a JSON value, or nil for null and for what was left out.
func given(value json.RawMessage) []byte {
	if string(value) == "null" {
		return nil
	}
	return value
}

func readChat() method {
	const name = "sync/read-chat-history"
	find := by[or3cloud.ChatHistoryReader](or3cloud.ProviderSync)
	return method{
		name: name, help: "SyncGatewayAdapter.readChatHistory.", forUser: true,
		in: reflect.TypeFor[chatRequest](), out: reflect.TypeFor[chatAnswer](),
		serve: func(e *Engine, p *instance.Providers) *or3cloud.Route {
			reader := find(p)
			if reader == nil {
				return nil
			}
			return &or3cloud.Route{MaxBody: bodyLimit, Handle: func(w http.ResponseWriter, r *http.Request) error {
				var in chatRequest
				if err := httpapi.ReadJSON(r, &in, "Invalid "+name+" request"); err != nil {
					return err
				}
				session, err := e.Authorize(r, or3cloud.PermWorkspaceRead, in.WorkspaceID)
				if err != nil {
					return err
				}
				limit := int(min(max(in.Query.Limit, 0), or3cloud.MaxChatMessages+1)) // what is too much stays so
				answer, err := chatAnswerOf(r, reader, or3cloud.ChatQuery{
					WorkspaceID: in.WorkspaceID, UserID: session.User.ID, Kind: in.Query.Kind, ThreadID: in.Query.ThreadID,
					MessageIDs: in.Query.MessageIDs, Cursor: in.Query.Cursor, Limit: limit,
				})
				if err != nil {
					return err
				}
				httpapi.WriteRaw(w, answer...)
				return nil
			}}
		},
	}
}

// chatAnswerOf asks for a chat's history and returns the answer in pieces, with each row as it is stored. What it holds is counted
// as memory of the request.
func chatAnswerOf(r *http.Request, reader or3cloud.ChatHistoryReader, q or3cloud.ChatQuery) (pieces [][]byte, err error) {
	tab := &httpapi.RecordOf(r).Memory
	var messages [][]byte
	page, err := reader.ReadChatHistory(r.Context(), q, func(message []byte) error {
		if !tab.TryGrow(int64(len(message))) { // nobody is waited for while the store is being read
			return or3cloud.Unavailable(nil, "Service Unavailable", time.Second)
		}
		messages = append(messages, bytes.Clone(message))
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := chatAnswer{
		Status: "ok", ProjectOwnership: page.ProjectOwnership, NextCursor: page.NextCursor, ExaminedRows: page.Examined, Revision: page.Revision,
	}
	if page.Incomplete {
		out.Status = "scope_incomplete"
	}
	head, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	pieces = append(pieces, head[:len(head)-1])
	if page.Thread != nil {
		pieces = append(pieces, []byte(`,"thread":`), page.Thread)
	}
	if q.Kind != or3cloud.ChatThread {
		pieces = append(pieces, []byte(`,"messages":[`))
		for i, message := range messages {
			if i > 0 {
				pieces = append(pieces, []byte(","))
			}
			pieces = append(pieces, message)
		}
		pieces = append(pieces, []byte("]"))
	}
	return append(pieces, []byte("}")), nil
}

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
	"or3.chat/cloud/syncwire"
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
		// ExaminedRows is absent unless a page was requested.
		ExaminedRows int    `json:"examined_rows,omitempty"`
		Revision     string `json:"revision,omitempty"`
	}
	finalizeRequest struct {
		Admission syncwire.AdmissionEnvelope  `json:"admission"`
		Snapshot  syncwire.GenerationSnapshot `json:"snapshot"`
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
			func(c call, h or3cloud.GenerationHistory, in syncwire.AdmissionEnvelope) (out admitted, err error) {
				g, err := generation(c, in)
				if err != nil {
					return out, err
				}
				r, err := h.AdmitChatGeneration(c, g)
				return admitted{"admitted", r.Replayed, r.ServerVersion}, err
			}).asUser().of(generationBody).final(),
		does("sync/finalize-chat-generation", "SyncGatewayAdapter.finalizeChatGeneration.", history,
			func(c call, h or3cloud.GenerationHistory, in finalizeRequest) (out finalized, err error) {
				g, err := generation(c, in.Admission)
				if err != nil {
					return out, err
				}
				r, err := h.FinalizeChatGeneration(c, g, in.Snapshot.Snapshot())
				if r.Superseded != "" {
					return finalized{Status: "superseded", Reason: r.Superseded}, err
				}
				return finalized{Status: "committed", Replayed: &r.Replayed, ServerVersion: r.ServerVersion}, err
			}).asUser().of(generationBody).final(),
	}
}

// final marks a method whose host blocks a job by words in the error message: what is too large to be read will not get
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

func generation(c call, in syncwire.AdmissionEnvelope) (or3cloud.ChatGeneration, error) {
	user, err := c.user()
	if err != nil {
		return or3cloud.ChatGeneration{}, err
	}
	return in.Generation(user)
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
				limit := int(min(max(in.Query.Limit, 0), or3cloud.MaxChatMessages+1)) // what is too much stays too much
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

// chatAnswerOf reads a chat's history and returns the answer in pieces, with each row as it is stored. What it holds
// counts as memory of the request.
func chatAnswerOf(r *http.Request, reader or3cloud.ChatHistoryReader, q or3cloud.ChatQuery) (pieces [][]byte, err error) {
	tab := &httpapi.RecordOf(r).Memory
	var messages [][]byte
	page, err := reader.ReadChatHistory(r.Context(), q, func(message []byte) error {
		if !tab.TryGrow(int64(len(message))) { // it does not wait for others while the store is being read
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

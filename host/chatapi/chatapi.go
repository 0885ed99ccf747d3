// Package chatapi answers clients' questions about chats when no model server is configured (streamapi): that a client
// should continue on its own, at once, with the user's own key from the browser. It also says whether the server has
// tools that read the history of a chat (contract, client-behaviour §10, §15).
package chatapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
)

// Options are what the endpoints depend on.
type Options struct {
	Host or3cloud.Front
	// Streams says that another package serves the stream.
	Streams bool
	// Ready reports whether tools of the server can read what a compacted chat was made of; nil if there are none.
	Ready func(ctx context.Context, userID, workspaceID, threadID string) bool
}

// API refuses what is not offered.
type API struct{ opt Options }

// New returns the API.
func New(o Options) *API { return &API{o} }

// Routes returns the endpoints.
func (a *API) Routes() []or3cloud.Route {
	routes := []or3cloud.Route{{Method: http.MethodGet, Path: "/api/chat/history-readiness", Handle: a.historyReadiness}}
	if !a.opt.Streams {
		routes = append(routes, or3cloud.Route{Method: http.MethodPost, Path: "/api/openrouter/stream", MaxBody: -1, Handle: a.stream})
	}
	return routes
}

// noStream is the refusal to stream, for all clients: the base client shows the text as it is; the newest one uses
// neither texts nor unknown codes, and takes the inner code to mean that the connection settings have to be checked;
// the outer code keeps it in the foreground for the rest of the session.
type noStream struct {
	Error struct {
		Message string `json:"message"`
		Code    string `json:"code"`
		Source  string `json:"source"`
	} `json:"error"`
	Code string `json:"code"`
}

const streamText = "This server does not fetch answers with a key of its own. Connect your own OpenRouter account to chat."

// maxForgotten is how much of a chat is read before it is refused: browsers that are still sending show a broken
// connection instead of the answer.
const maxForgotten = 16 << 20

// stream refuses to stream. A client that has the user's own key takes 404 for "there is no such route" and asks
// OpenRouter itself; every other status would end the chat. One without a key cannot continue, and takes 404 for an
// item that was deleted; 400 is the contract's status for a missing key.
func (*API) stream(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	httpapi.Forget(w, r, maxForgotten)
	var out noStream
	out.Error.Message, out.Error.Code, out.Error.Source = streamText, "ERR_AUTH", "provider"
	out.Code = "background_streaming_disabled"
	status := http.StatusBadRequest
	if ownKey(r) {
		status = http.StatusNotFound
	}
	return httpapi.WriteJSON(w, status, out)
}

// ownKey reports whether a request carries the user's key.
func ownKey(r *http.Request) bool {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return strings.TrimSpace(r.Header.Get("x-or3-openrouter-key")) != "" || ok && strings.TrimSpace(bearer) != ""
}

// maxThreadID is the longest thread id, in bytes.
const maxThreadID = 200

// historyReadiness says whether the tools of the server can read a thread. Where they cannot, a client offers its own.
func (a *API) historyReadiness(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoCache(w)
	s, err := middleware.Member(a.opt.Host, r, or3cloud.PermWorkspaceRead)
	if err != nil {
		return err
	}
	id := r.URL.Query().Get("thread_id")
	if id == "" || len(id) > maxThreadID {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid thread")
	}
	ready := false
	if a.opt.Ready != nil {
		ctx, stop := context.WithTimeout(r.Context(), readyWithin)
		defer stop()
		ready = a.opt.Ready(ctx, s.User.ID, s.Workspace.ID, id)
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ready": ready})
}

// readyWithin is how long it may take to find out that a thread can be read.
const readyWithin = 10 * time.Second

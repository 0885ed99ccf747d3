// Package eventsapi serves GET /api/sync/events, which tells a device at once that a workspace has changed
// (docs/architecture.md). The answer is a stream of server-sent events:
//
//	GET /api/sync/events?workspaceId=w1
//
//	: hello
//	retry: 2618
//
//	id: 41
//	event: version
//	data: {"workspaceId":"w1","serverVersion":41}
//
// The current version is sent at once, unless the request's Last-Event-ID says that the client has it, and each later
// one after its commit. A version is a hint to pull and nothing else: it may be skipped when a newer one has come in
// the meantime, and a client that misses all of them finds the changes with its next pull.
//
// A stream is a long answer under a short permission. The permission is checked again every second, without rotating
// credentials, so that a stream ends within two seconds of the session, the membership or the workspace. An access
// token that expires ends it too; the browser then reconnects and gets its new token.
//
// Idle streams cost one goroutine and one timer each. Their checks and heartbeats are spread evenly over time.
package eventsapi

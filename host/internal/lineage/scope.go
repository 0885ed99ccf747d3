package lineage

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// The limits of a line. They are far beyond what people make, and no model can make a line longer.
const (
	maxPath      = 64
	maxScopeSize = 256 << 10 // of the sources of a summary, in bytes (contract, sync §10.8)
	maxCaptured  = 20_000    // messages of a line
)

// truth is a value that clients write as a boolean or a number.
type truth bool

// UnmarshalJSON implements json.Unmarshaler.
func (t *truth) UnmarshalJSON(text []byte) error {
	s := string(text)
	*t = s != "false" && s != "null" && s != "0" && s != `""`
	return nil
}

// thread is the relevant part of a thread.
type thread struct {
	ID        string `json:"id"`
	Parent    string `json:"parent_thread_id"`
	Anchor    string `json:"anchor_message_id"`
	Mode      string `json:"branch_mode"`
	SummaryID string `json:"summary_message_id"`
	Deleted   truth  `json:"deleted"`
}

// compacted is the mode of a thread that begins with a summary.
const compacted = "compacted"

// message is the relevant part of a message.
type message struct {
	ID       string          `json:"id"`
	ThreadID string          `json:"thread_id"`
	Role     string          `json:"role"`
	Clock    int64           `json:"clock"`
	Index    float64         `json:"index"`
	OrderKey string          `json:"order_key"`
	Deleted  truth           `json:"deleted"`
	Pending  truth           `json:"pending"`
	Files    json.RawMessage `json:"file_hashes"`
	Content  json.RawMessage `json:"content"`
	Data     data            `json:"data"`
}

type data struct {
	Kind       string
	Content    json.RawMessage
	Compaction json.RawMessage
	Superseded string
}

// UnmarshalJSON implements json.Unmarshaler. Members of the wrong type are left out, so that one of them hides no
// message.
func (d *data) UnmarshalJSON(text []byte) error {
	var in map[string]json.RawMessage
	if json.Unmarshal(text, &in) != nil {
		return nil
	}
	d.Content, d.Compaction = in["content"], in["compaction"]
	_ = json.Unmarshal(in["kind"], &d.Kind)
	_ = json.Unmarshal(in["superseded_by"], &d.Superseded)
	return nil
}

// text is what a message says.
func (m *message) text() string {
	content := m.Data.Content
	if content == nil || string(content) == "null" {
		content = m.Content
	}
	var whole string
	if json.Unmarshal(content, &whole) == nil {
		return whole
	}
	var parts []struct {
		Type string `json:"type"`
		Text any    `json:"text"`
	}
	if json.Unmarshal(content, &parts) != nil {
		return ""
	}
	var said []string
	for _, p := range parts {
		if text, ok := p.Text.(string); ok && p.Type == "text" {
			said = append(said, text)
		}
	}
	return strings.Join(said, "\n")
}

// summary is what a compaction was made from (contract, client-behaviour §15).
type summary struct {
	Version   int             `json:"version"`
	Source    string          `json:"source_thread_id"`
	Anchor    string          `json:"anchor_message_id"`
	Landmarks []landmark      `json:"landmarks"`
	Scope     json.RawMessage `json:"history_scope"`
}

type landmark struct {
	MessageID string `json:"message_id"`
	ThreadID  string `json:"thread_id"`
	Kind      string `json:"kind"`
}

type captured struct {
	Version  int `json:"version"`
	Segments []struct {
		ThreadID string `json:"thread_id"`
		Messages []struct {
			MessageID string `json:"message_id"`
			Clock     int64  `json:"clock"`
		} `json:"messages"`
	} `json:"segments"`
	Inherited string `json:"inherited_scope_message_id"`
}

// ref is a message that a summary was made from.
type ref struct{ threadID, messageID string }

// scope is what may be read from a chat.
type scope struct {
	by who
	// path leads from the chat to the first of its line; the chats after the first are its ancestors, with their
	// revisions.
	path      []thread
	revisions map[string]string
	// members are the messages that the summaries were made from, by their threads, with their clocks at that time;
	// refs are the same in order.
	members map[string]map[string]int64
	refs    []ref
	// landmarks are the summaries' names for some of them.
	landmarks map[string][]string
}

// proximity is how far a thread is from the chat; 0 if it is not an ancestor.
func (s *scope) proximity(threadID string) int {
	return max(slices.IndexFunc(s.path, func(t thread) bool { return t.ID == threadID }), 0)
}

// permits reports whether a message may be read: one of a summary, or any of the same chats.
func (s *scope) permits(m *message, beyond bool) bool {
	_, member := s.members[m.ThreadID][m.ID]
	return s.proximity(m.ThreadID) > 0 && (beyond || member)
}

// has reports whether a message is one of a summary.
func (s *scope) has(id string) bool {
	return slices.ContainsFunc(s.refs, func(r ref) bool { return r.messageID == id })
}

// scope finds out what may be read from a chat. The lines between chats decide, not what a summary says about them.
func (t *Tools) scope(ctx context.Context, by who) (*scope, error) {
	s := &scope{by: by, revisions: map[string]string{}, members: map[string]map[string]int64{}, landmarks: map[string][]string{}}
	for id := by.threadID; id != ""; {
		if len(s.path) == maxPath || slices.ContainsFunc(s.path, func(t thread) bool { return t.ID == id }) {
			return nil, incomplete("The ancestry of this chat is endless.")
		}
		thread, revision, err := t.thread(ctx, by, id)
		if err != nil {
			return nil, err
		}
		if len(s.path) > 0 {
			s.revisions[id] = revision
			if err := t.anchored(ctx, by, s.path[len(s.path)-1], id); err != nil {
				return nil, err
			}
		}
		s.path, id = append(s.path, thread), thread.Parent
	}
	at := slices.IndexFunc(s.path, func(t thread) bool { return t.Mode == compacted })
	if at < 0 || s.path[at].SummaryID == "" {
		return nil, incomplete("This chat was not made from a summary.")
	}
	seen, order := map[string]bool{}, map[string][]string{}
	for id := s.path[at].SummaryID; id != ""; {
		if seen[id] || len(seen) == maxPath {
			return nil, incomplete("The summaries of this chat lead in a circle.")
		}
		seen[id] = true
		made, next, err := t.summary(ctx, s, id)
		if err != nil {
			return nil, err
		}
		if err := s.narrow(made, next, order); err != nil {
			return nil, err
		}
		id = next.Inherited
	}
	for _, thread := range slices.Backward(s.path) {
		for _, id := range order[thread.ID] {
			if _, member := s.members[thread.ID][id]; member {
				s.refs = append(s.refs, ref{thread.ID, id})
			}
		}
	}
	maps.DeleteFunc(s.landmarks, func(id string, _ []string) bool { return !s.has(id) })
	return s, nil
}

// anchored refuses a chat that does not branch off at a message of its parent.
func (t *Tools) anchored(ctx context.Context, by who, child thread, parent string) error {
	const none incomplete = "A message where this line branches off is gone, or not here yet."
	if child.Anchor == "" {
		return none
	}
	anchor, err := t.one(ctx, by, child.Anchor)
	if err != nil {
		return err
	}
	if anchor == nil || bool(anchor.Deleted) || anchor.ThreadID != parent {
		return none
	}
	return nil
}

// summary reads a summary that belongs to the line.
func (t *Tools) summary(ctx context.Context, s *scope, id string) (*summary, *captured, error) {
	const none incomplete = "A summary of this line is gone, or not here yet, or belongs to another chat."
	m, err := t.one(ctx, s.by, id)
	if err != nil {
		return nil, nil, err
	}
	if m == nil || bool(m.Deleted) || bool(m.Pending) || m.Role != "system" || m.Data.Kind != "compaction" {
		return nil, nil, none
	}
	at := slices.IndexFunc(s.path, func(t thread) bool { return t.ID == m.ThreadID })
	made, scope := &summary{}, &captured{}
	if at < 0 || json.Unmarshal(m.Data.Compaction, made) != nil || made.Version != 1 || len(made.Scope) > maxScopeSize ||
		json.Unmarshal(made.Scope, scope) != nil || scope.Version != 1 {
		return nil, nil, none
	}
	owner := s.path[at]
	if owner.SummaryID != id || owner.Mode != compacted || made.Source != owner.Parent || made.Anchor != owner.Anchor {
		return nil, nil, none
	}
	return made, scope, nil
}

// narrow adds what a summary was made from. An older summary removes from what the newer one has of the same chat, and
// adds nothing.
func (s *scope) narrow(made *summary, from *captured, order map[string][]string) error {
	for _, segment := range from.Segments {
		if s.proximity(segment.ThreadID) == 0 {
			return incomplete("A summary of this line was made from another chat.")
		}
		of := make(map[string]int64, len(segment.Messages))
		var ids []string
		for _, m := range segment.Messages {
			if _, twice := of[m.MessageID]; !twice {
				ids = append(ids, m.MessageID)
			}
			of[m.MessageID] = m.Clock
		}
		if had := s.members[segment.ThreadID]; had != nil {
			maps.DeleteFunc(had, func(id string, _ int64) bool { _, ok := of[id]; return !ok })
			continue
		}
		s.members[segment.ThreadID], order[segment.ThreadID] = of, ids
	}
	total := 0
	for _, of := range s.members {
		total += len(of)
	}
	if total > maxCaptured {
		return incomplete("The summaries of this chat were made from too many messages.")
	}
	for _, l := range made.Landmarks {
		if _, member := s.members[l.ThreadID][l.MessageID]; member && !slices.Contains(s.landmarks[l.MessageID], l.Kind) {
			s.landmarks[l.MessageID] = append(s.landmarks[l.MessageID], l.Kind)
		}
	}
	return nil
}

// unchanged refuses what was read if one of the chats has changed in the meantime.
func (t *Tools) unchanged(ctx context.Context, s *scope) error {
	for id, revision := range s.revisions {
		_, now, err := t.thread(ctx, s.by, id)
		if err != nil {
			return err
		}
		if now != revision {
			return incomplete("The history has changed in the meantime. Try again.")
		}
	}
	return nil
}

// described is a message as a model reads it.
type described struct {
	MessageID string `json:"message_id"`
	ThreadID  string `json:"thread_id"`
	Role      string `json:"role"`
	Text      string `json:"text"`
	Truncated bool   `json:"truncated"`
	// Changed says that the message has changed since the summary was made, Outside that it is not part of the summary.
	Changed bool `json:"changed_since_compaction"`
	Outside bool `json:"outside_compaction_scope"`
}

func (s *scope) describe(m *message, most int) described {
	text, cut := excerpt(m.text(), most)
	clock, member := s.members[m.ThreadID][m.ID]
	return described{m.ID, m.ThreadID, m.Role, text, cut, member && clock != m.Clock, !member}
}

// excerpt returns the first characters of a text, and whether there is more.
func excerpt(text string, most int) (string, bool) {
	n := 0
	for at := range text {
		if n == most {
			return text[:at], true
		}
		n++
	}
	return text, false
}

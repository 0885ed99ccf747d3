package lineage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	or3cloud "or3.chat/cloud"
)

// The limits of one search_parent (contract, client-behaviour §15), after which a search continues at a cursor.
const (
	maxQuery    = 256 // characters
	maxRows     = 500
	maxRead     = 1 << 20  // bytes of texts
	maxText     = 64 << 10 // bytes of one text that are searched
	maxResults  = 20
	resultText  = 300 // characters
	resultsSize = 16 << 10
	perRead     = 50
	searchLife  = 10 * time.Minute
)

// kinds are the kinds of messages that can be searched for.
var kinds = []string{"decision", "code", "file", "constraint", "open-question", "tool-result"}

// place is where a search continues.
type place struct {
	// At is the next of the messages of the summaries, or the next of the ancestors, in which Cursor is the next page.
	At      int    `json:"at"`
	Cursor  string `json:"cursor,omitempty"`
	Expires int64  `json:"expires"`
}

// hit is a message that was found.
type hit struct {
	described
	score     int
	landmark  bool
	proximity int
	index     float64
	orderKey  string
}

// hits is the result of search_parent.
type hits struct {
	Status  string      `json:"status"`
	Results []described `json:"results"`
	Scanned int         `json:"scanned_rows"`
	// Unavailable are messages of the summaries that no longer exist, or not yet.
	Unavailable int    `json:"unavailable_rows"`
	Bytes       int    `json:"scanned_bytes"`
	Complete    bool   `json:"scan_complete"`
	NextCursor  string `json:"next_cursor,omitempty"`
}

func plain(text string) string { return strings.ToLower(norm.NFKC.String(text)) }

func (t *Tools) search(ctx context.Context, by who, arguments string) (any, error) {
	var in struct {
		Query  string   `json:"query"`
		Kinds  []string `json:"kinds"`
		Beyond bool     `json:"include_after_compaction"`
		Cursor string   `json:"cursor"`
	}
	if json.Unmarshal([]byte(arguments), &in) != nil || len(in.Cursor) > or3cloud.MaxChatCursor || len(in.Kinds) > len(kinds) ||
		slices.ContainsFunc(in.Kinds, func(k string) bool { return !slices.Contains(kinds, k) }) {
		return nil, errArguments
	}
	terms := strings.Fields(plain(in.Query))
	if len(terms) == 0 || utf8.RuneCountInString(in.Query) > maxQuery {
		return nil, errArguments
	}
	s, err := t.scope(ctx, by)
	if err != nil {
		return nil, err
	}
	what, err := json.Marshal([]any{by.userID, by.workspaceID, by.threadID, s.path, s.revisions, terms, in.Kinds, in.Beyond})
	if err != nil {
		return nil, err
	}
	binding := sha256.Sum256(what)
	from, err := t.open(in.Cursor, hex.EncodeToString(binding[:]))
	if err != nil {
		return nil, err
	}
	out := hits{Status: "ok", Results: []described{}}
	var all []hit
	look := func(m *message) {
		out.Scanned++
		if bool(m.Deleted) || m.Data.Superseded != "" || !s.permits(m, in.Beyond) {
			return
		}
		text := m.text()
		out.Bytes += len(text)
		if of := s.kindsOf(m); len(in.Kinds) > 0 && !slices.ContainsFunc(in.Kinds, func(k string) bool { return slices.Contains(of, k) }) {
			return
		}
		begin := plain(strings.ToValidUTF8(text[:min(len(text), maxText)], ""))
		score := 0
		for i, term := range terms {
			if !slices.Contains(terms[:i], term) && strings.Contains(begin, term) {
				score++
			}
		}
		if score > 0 {
			all = append(all, hit{s.describe(m, resultText), score, s.landmarks[m.ID] != nil, s.proximity(m.ThreadID), m.Index, m.OrderKey})
		}
	}
	for examined := 0; !out.Complete && examined < maxRows && out.Bytes < maxRead; {
		n := 0
		if in.Beyond {
			n, out.Complete, err = t.nextPage(ctx, s, &from, look)
		} else {
			n, out.Complete, err = t.nextRefs(ctx, s, &from, &out, look)
		}
		if err != nil {
			return nil, err
		}
		examined += max(n, 1)
	}
	slices.SortFunc(all, func(a, b hit) int {
		return cmp.Or(order(b.landmark, a.landmark), cmp.Compare(b.score, a.score), cmp.Compare(a.proximity, b.proximity),
			cmp.Compare(a.index, b.index), cmp.Compare(a.orderKey, b.orderKey), cmp.Compare(a.MessageID, b.MessageID))
	})
	for _, h := range all[:min(len(all), maxResults)] {
		out.Results = append(out.Results, h.described)
	}
	if !out.Complete {
		if out.NextCursor, err = t.seal(from, hex.EncodeToString(binding[:])); err != nil {
			return nil, err
		}
	}
	for size(out) > resultsSize && len(out.Results) > 0 {
		out.Results = out.Results[:len(out.Results)-1]
	}
	return out, t.unchanged(ctx, s)
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// kindsOf are the kinds that a message counts as.
func (s *scope) kindsOf(m *message) []string {
	of := slices.Clone(s.landmarks[m.ID])
	if m.Role == "tool" {
		of = append(of, "tool-result")
	}
	var files string
	if json.Unmarshal(m.Files, &files) == nil && files != "" && files != "[]" {
		of = append(of, "file")
	}
	return of
}

// nextRefs looks at the next messages of the summaries.
func (t *Tools) nextRefs(ctx context.Context, s *scope, from *place, out *hits, look func(m *message)) (n int, complete bool, err error) {
	if from.At < 0 || from.At > len(s.refs) {
		return 0, false, errCursor
	}
	refs := s.refs[from.At:min(from.At+perRead, len(s.refs))]
	ids := make([]string, len(refs))
	for i, r := range refs {
		ids[i] = r.messageID
	}
	there := 0
	if len(ids) > 0 {
		err = t.messages(ctx, s.by, ids, func(m *message) {
			there++
			look(m)
		})
	}
	out.Unavailable += max(len(ids)-there, 0)
	from.At += len(ids)
	return len(ids), from.At == len(s.refs), err
}

// nextPage looks at the next page of the ancestors, the nearest first.
func (t *Tools) nextPage(ctx context.Context, s *scope, from *place, look func(m *message)) (n int, complete bool, err error) {
	ancestors := s.path[1:]
	if from.At < 0 || from.At >= len(ancestors) {
		return 0, from.At == len(ancestors), nil
	}
	page, err := t.page(ctx, s, ancestors[from.At].ID, from.Cursor, perRead, look)
	if err != nil {
		return 0, false, err
	}
	if from.Cursor = page.NextCursor; from.Cursor == "" {
		from.At++
	}
	return page.Examined, from.At == len(ancestors), nil
}

const errCursor incomplete = "The cursor does not belong to this search, or has expired. Start the search again."

// open returns where a search continues.
func (t *Tools) open(cursor, binding string) (p place, err error) {
	if cursor == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		text, err = t.sealer.Open(text, binding)
	}
	if err != nil || json.Unmarshal(text, &p) != nil || p.Expires < t.now().UnixMilli() {
		return p, errCursor
	}
	return p, nil
}

// seal returns the cursor at which a search continues.
func (t *Tools) seal(p place, binding string) (string, error) {
	p.Expires = t.now().Add(searchLife).UnixMilli()
	text, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	if text, err = t.sealer.Seal(text, binding); err != nil {
		return "", err
	}
	cursor := base64.RawURLEncoding.EncodeToString(text)
	if len(cursor) > or3cloud.MaxChatCursor {
		return "", incomplete("The search cannot continue from here.")
	}
	return cursor, nil
}

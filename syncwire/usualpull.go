package syncwire

import (
	"bytes"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/safeint"
)

// ReadUsual reads a pull in the exact form in which JavaScript writes the clients' pulls, the most frequent request of
// all: no space, no escapes, each member once. If it reports false, the text has another form, the general decoder has
// to read it, and p is useless. Whatever ReadUsual accepts, the general decoder reads alike (FuzzUsualPull).
func (p *Pull) ReadUsual(text []byte) bool {
	s := usual{text}
	var scope, tables bool
	for first := true; ; first = false {
		begin := byte(',')
		if first {
			begin = '{'
		}
		if !s.take(begin) {
			return s.take('}') && !first && len(s.rest) == 0
		}
		name, ok := s.name()
		if !ok {
			return false
		}
		switch string(name) {
		case "scope":
			ok, scope = !scope && s.scope(&p.Scope), true
		case "cursor":
			ok = p.Cursor == nil && s.number(&p.cursor)
			p.Cursor = &p.cursor
		case "limit":
			ok = p.Limit == nil && s.number(&p.limit)
			p.Limit = &p.limit
		case "tables":
			ok, tables = !tables && s.tables(&p.Tables), true
		case "fileKindCapability":
			ok = p.FileKind == nil && s.string(&p.FileKind)
		case "workspaceItemCapability":
			ok = p.WorkspaceItem == nil && s.string(&p.WorkspaceItem)
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
}

// usual is the unread rest of a text in the usual form.
type usual struct{ rest []byte }

func (s *usual) take(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// quoted reads a string without escapes.
func (s *usual) quoted() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	end := bytes.IndexByte(s.rest, '"')
	if end < 0 {
		return nil, false
	}
	text := s.rest[:end]
	for _, c := range text {
		if c < ' ' || c > '~' || c == '\\' {
			return nil, false
		}
	}
	s.rest = s.rest[end+1:]
	return text, true
}

// name reads the name of a member.
func (s *usual) name() ([]byte, bool) {
	text, ok := s.quoted()
	return text, ok && s.take(':')
}

func (s *usual) string(into **string) bool {
	text, ok := s.quoted()
	if ok {
		value := string(text)
		*into = &value
	}
	return ok
}

func (s *usual) scope(into *Scope) bool {
	if !s.take('{') {
		return false
	}
	name, ok := s.name()
	if !ok || string(name) != "workspaceId" {
		return false
	}
	id, ok := s.quoted()
	into.WorkspaceID = string(id)
	return ok && s.take('}')
}

// number reads a whole number as JavaScript writes one that is not negative and not too large.
func (s *usual) number(into *safeint.Int) bool {
	digits := 0
	for digits < len(s.rest) && '0' <= s.rest[digits] && s.rest[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits > 15 || s.rest[0] == '0' && digits > 1 {
		return false
	}
	*into = 0
	for _, c := range s.rest[:digits] {
		*into = *into*10 + safeint.Int(c-'0')
	}
	s.rest = s.rest[digits:]
	return true
}

// tables reads a list of known tables.
func (s *usual) tables(into *TableFilter) bool {
	if !s.take('[') {
		return false
	}
	*into = make(TableFilter, 0, len(or3cloud.SyncTables))
	for {
		text, ok := s.quoted()
		if !ok || len(*into) == cap(*into) {
			return false
		}
		known := false
		for _, name := range or3cloud.SyncTables {
			if known = string(text) == name; known {
				*into = append(*into, name)
				break
			}
		}
		if !known {
			return false
		}
		if !s.take(',') {
			return s.take(']')
		}
	}
}

package syncschema

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// WithoutStorageID returns a copy of a file_meta payload without storage_id and storage_provider_id, and with another
// clock. All other members stay byte for byte. If the payload names no storage, found is false and the payload is
// unchanged.
func WithoutStorageID(payload []byte, clock int64) (out []byte, found bool, err error) {
	out, err = rewrite(payload, func(name string, value jsontext.Value) jsontext.Value {
		switch name {
		case "storage_id", "storage_provider_id":
			found = found || text(value) != ""
			return nil
		case "clock":
			return strconv.AppendInt(nil, clock, 10)
		}
		return value
	})
	if err != nil || !found {
		return payload, false, err
	}
	return out, true, nil
}

// WithName returns a copy of a kv payload with another name and clock. All other members stay byte for byte.
func WithName(payload []byte, name string, clock int64) ([]byte, error) {
	quoted, err := jsontext.AppendQuote(nil, name)
	if err != nil {
		return nil, err
	}
	return rewrite(payload, func(member string, value jsontext.Value) jsontext.Value {
		switch member {
		case "name":
			return quoted
		case "clock":
			return strconv.AppendInt(nil, clock, 10)
		}
		return value
	})
}

// Name returns the name in a kv payload, as in PayloadFacts.
func Name(payload []byte) string {
	values, err := scan(payload, []string{"name"})
	if err != nil {
		return ""
	}
	return text(values.get("name"))
}

// rewrite returns a copy of a JSON object in which change has replaced the values of members, or removed those for
// which it returns nil.
func rewrite(payload []byte, change func(name string, value jsontext.Value) jsontext.Value) (out []byte, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(payload), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	out = append(out, '{')
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		name = bytes.Clone(name)
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		if value = change(text(name), value); value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

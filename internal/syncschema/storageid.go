package syncschema

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// WithoutStorageID returns a copy of a file_meta payload without storage_id and storage_provider_id, and with another
// clock. All other members stay byte for byte. found is false, and the payload unchanged, if it names no storage.
func WithoutStorageID(payload []byte, clock int64) (out []byte, found bool, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(payload), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return nil, false, err
	}
	out = append(out, '{')
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return nil, false, err
		}
		name = bytes.Clone(name)
		value, err := d.ReadValue()
		if err != nil {
			return nil, false, err
		}
		switch text(name) {
		case "storage_id", "storage_provider_id":
			found = found || text(value) != ""
			continue
		case "clock":
			value = strconv.AppendInt(nil, clock, 10)
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	if !found {
		return payload, false, nil
	}
	return append(out, '}'), true, nil
}

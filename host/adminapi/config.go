package adminapi

import (
	"encoding/json"
	"net/http"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/settable"
)

// configAPI are the endpoints of the .env file (contract, workspaces-and-admin §5 and §9).
type configAPI struct {
	file *settable.Configuration // nil where there is none
}

func (c configAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "system/config", may: superAdmins, proof: readOnly, handle: c.plain},
		{method: http.MethodGet, path: "system/config/enriched", may: superAdmins, proof: readOnly, handle: c.enriched},
		{
			method: http.MethodPost, path: "system/config/write", may: superAdmins, proof: intent, action: audit.ConfigWrite, handle: c.write,
		},
	}
}

// configuration serves the .env file; nil where there is none. plainEntry is a setting as clients of February know it.
type plainEntry struct {
	Key    string  `json:"key"`
	Value  *string `json:"value"`
	Masked bool    `json:"masked"`
}

// enrichedEntry is a setting with everything that a form needs. The members after valueType are ours: where the server
// takes the value from, whether it reads it at all, and which values are allowed.
type enrichedEntry struct {
	plainEntry
	Label       string             `json:"label"`
	Description string             `json:"description"`
	Group       settable.Group     `json:"group"`
	Order       int                `json:"order"`
	ValueType   settable.ValueType `json:"valueType"`
	Origin      string             `json:"origin"`
	Used        bool               `json:"used"`
	Default     string             `json:"default,omitempty"`
	Example     string             `json:"example,omitempty"`
	Options     []string           `json:"options,omitempty"`
}

// entries answers with a list of entries and the revision that a write may send back.
func entries[E any](c configAPI, w http.ResponseWriter, shown func(settable.Entry) E) error {
	if c.file == nil {
		return errNoConfiguration()
	}
	all, err := c.file.Entries()
	if err != nil {
		return err
	}
	out := struct {
		Entries  []E    `json:"entries"`
		Revision string `json:"revision"`
	}{make([]E, 0, len(all.Entries)), all.Revision}
	for _, e := range all.Entries {
		out.Entries = append(out.Entries, shown(e))
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func errNoConfiguration() error {
	return or3cloud.Errorf(or3cloud.CodeUnsupported, "This server is not configured by a file")
}

func plain(e settable.Entry) plainEntry { return plainEntry{e.Name, e.Value, e.Masked} }

func (c configAPI) plain(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	return entries(c, w, plain)
}

func (c configAPI) enriched(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	return entries(c, w, func(e settable.Entry) enrichedEntry {
		return enrichedEntry{
			plainEntry: plain(e), Label: e.Label(), Description: e.Description(), Group: e.Group, Order: e.Order, ValueType: e.Type(),
			Origin: e.Origin, Used: e.Here, Default: e.Setting.Default, Example: e.Setting.Example, Options: e.Setting.Options,
		}
	})
}

// write changes settings. Our own pages send the revision that they have shown, and get 409 if the file has changed
// since; clients of February do not know revisions.
func (c configAPI) write(w http.ResponseWriter, r *http.Request, caller *Caller) error {
	var in struct {
		Entries []struct {
			Key   *string         `json:"key"`
			Value json.RawMessage `json:"value"`
		} `json:"entries"`
		Revision string `json:"revision"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	invalid := or3cloud.Errorf(or3cloud.CodeInvalid, invalidRequest)
	if in.Entries == nil {
		return invalid
	}
	if c.file == nil {
		return errNoConfiguration()
	}
	changes := make([]settable.Change, 0, len(in.Entries))
	for _, e := range in.Entries {
		value, ok := settingText(e.Value)
		if e.Key == nil || !ok {
			return invalid
		}
		changes = append(changes, settable.Change{Name: *e.Key, Value: value})
	}
	written, err := c.file.Write(changes, in.Revision)
	caller.Target.Settings = written.Changed
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		OK              bool     `json:"ok"`
		RestartRequired bool     `json:"restartRequired"`
		Changed         []string `json:"changed"`
		Warnings        []string `json:"warnings"`
		Revision        string   `json:"revision"`
	}{true, true, append([]string{}, written.Changed...), written.Warnings, written.Revision})
}

// settingText is a value in the form of the file. OR3 Chat's page sends the content of a field for numbers as a number;
// null removes a setting, as an empty text does.
func settingText(value json.RawMessage) (text string, ok bool) {
	switch {
	case len(value) == 0, value[0] == '{', value[0] == '[':
		return "", false
	case value[0] == '"':
		return text, json.Unmarshal(value, &text) == nil
	case string(value) == "null":
		return "", true
	}
	return string(value), true // a number, true or false, as it is written
}

package settable

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/dotenv"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/setting"
)

// heading is the comment above new lines in the file.
const heading = "Written by the admin pages of OR3 Cloud"

// maxValue is the largest length of a value, in bytes.
const maxValue = 16 << 10

// Change gives a key another value. An empty value removes it from the file, and Mask leaves it as it is.
type Change struct{ Name, Value string }

// Written is the result of a write.
type Written struct {
	// Changed are the keys that have changed, sorted by name.
	Changed []string
	// Warnings are things that an administrator should know, for example that the environment takes precedence.
	Warnings []string
	// Revision is the revision of the file after the write.
	Revision string
}

// Write changes keys in the file: all, or none if it returns an error. It changes nothing else in the file. An
// *or3cloud.Error explains what is wrong with the changes. It is CodeInvalid if a change is not allowed or would
// prevent a start. It is CodeConflict if seen is neither empty nor the file's Revision, or if the file cannot be
// written. An error may come with Changed, for the audit trail.
func (c *Configuration) Write(changes []Change, seen string) (Written, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	before, err := c.read()
	if err != nil {
		return Written{}, err
	}
	if seen != "" && seen != c.revision(before) {
		return Written{}, stale()
	}
	edits, settings, err := c.edits(before, changes)
	if err != nil {
		return Written{}, err
	}
	w := Written{Changed: slices.Sorted(maps.Keys(settings)), Warnings: []string{}, Revision: c.revision(before)}
	if len(edits) == 0 {
		return w, nil
	}
	text, err := dotenv.Edit(string(before), heading, edits)
	if err != nil {
		return w, or3cloud.Errorf(or3cloud.CodeInvalid, "%v", err)
	}
	after := []byte(text)
	if err := c.refuse(before, after, edits, settings); err != nil {
		return w, err
	}
	if !c.writable() {
		return w, or3cloud.Errorf(or3cloud.CodeConflict, "The configuration is not read from a file that can be written")
	}
	err = setup.ReplaceEnv(c.path, before, after)
	switch {
	case errors.Is(err, setup.ErrChanged):
		return w, stale()
	case err != nil:
		return w, or3cloud.WrapError(err, or3cloud.CodeConflict, "The configuration file cannot be written: "+oserror.Explain(err).Error())
	}
	w.Revision = c.revision(after)
	w.Warnings = append(w.Warnings, c.shadowed(edits, c.shown(after))...)
	return w, nil
}

func stale() error {
	return or3cloud.Errorf(or3cloud.CodeConflict, "The configuration has changed in the meantime; load it again")
}

// edits returns the edits for a text, and the settings that they change, by key.
func (c *Configuration) edits(text []byte, changes []Change) (edits []dotenv.Change, settings map[string]or3cloud.Setting, err error) {
	settings = map[string]or3cloud.Setting{}
	if len(changes) > len(c.keys) {
		return nil, nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid request")
	}
	shown := c.shown(text)
	asked := map[string]bool{}
	for _, change := range changes {
		at := slices.IndexFunc(c.keys, func(k Key) bool { return k.Name == change.Name })
		if at < 0 {
			return nil, nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Key not allowed: %s", clean(change.Name))
		}
		if asked[change.Name] {
			return nil, nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid request")
		}
		asked[change.Name] = true
		if fault := unfit(change.Value); fault != "" {
			return nil, nil, or3cloud.Errorf(or3cloud.CodeInvalid, "%s %s", change.Name, fault)
		}
		is, found := shown[change.Name]
		switch {
		case change.Value == Mask, !found && change.Value == "":
			continue
		case found && change.Value == is && change.Value != "" && !c.keys[at].masks(): // for a masked key, this must not reveal that the value matches
			continue
		}
		edits = append(edits, dotenv.Change{Name: change.Name, Value: change.Value, Unset: change.Value == ""})
		settings[change.Name] = c.keys[at].Setting
	}
	return edits, settings, nil
}

// clean returns an external name in a form that errors can repeat.
func clean(name string) string {
	const most = 100
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	if r := []rune(name); len(r) > most {
		name = string(r[:most])
	}
	return name
}

// unfit returns why no file can hold a value.
func unfit(value string) string {
	switch {
	case len(value) > maxValue:
		return fmt.Sprintf("is too long: more than %d bytes", maxValue)
	case !utf8.ValidString(value), strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		return "has characters that a configuration file does not hold"
	}
	return ""
}

// refuse returns why a changed file is not acceptable.
func (c *Configuration) refuse(before, after []byte, edits []dotenv.Change, settings map[string]or3cloud.Setting) error {
	values := map[string]or3cloud.Setting{}
	var problems []or3cloud.Problem
	for _, e := range edits {
		s := settings[e.Name]
		if e.Unset {
			continue
		}
		values[s.Name] = s
		if s.Check == nil {
			continue
		}
		if fault, fix := s.Check(e.Value); fault != "" {
			problems = append(problems, or3cloud.Problem{Variable: e.Name, Fault: fault, Fix: fix})
		}
	}
	was, _ := c.load(before)
	is, start := c.load(after)
	problems = slices.Concat(problems, start, c.strictly(after, values), c.moved(was, is))
	if len(problems) == 0 {
		return nil
	}
	return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", Text(problems))
}

// Text returns the texts of problems, each once.
func Text(problems []or3cloud.Problem) string {
	var lines []string
	for _, p := range problems {
		if line := logx.Redact(p.String()); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// moved finds data that a changed configuration would leave behind, so that the server would start over with nothing.
func (c *Configuration) moved(was, is *config.Config) (problems []or3cloud.Problem) {
	from, err := was.DataPath()
	to, err2 := is.DataPath()
	if errors.Join(err, err2) != nil {
		return nil // which c.load has reported
	}
	before := was.SelectedProviders()
	for _, id := range is.SelectedProviders() {
		p, ok := c.registry.Lookup(id)
		if !ok || p.Places == nil || !slices.Contains(before, id) {
			continue
		}
		next := p.Places(is, to)
		for name, old := range p.Places(was, from) {
			path := next[name]
			if path == old || !hasData(old) || path != "" && hasData(path) {
				continue
			}
			there := "keeps nothing on a disk"
			if path != "" {
				there = fmt.Sprintf("leads to %s, where nothing is", path)
			}
			problems = append(problems, or3cloud.Problem{
				Variable: name, Fault: there, Why: "the data is at " + old + " and would be left behind",
				Fix: "Move the data while the server is stopped, and change the setting in the file then.",
			})
		}
	}
	return problems
}

// hasData reports whether a file or directory has content. A start finds out whether it is this server's data.
func hasData(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return err == nil && info.Size() > 0
	}
	dir, err := os.Open(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(1)
	return len(names) > 0
}

// shadowed returns which of the written keys have no effect, because another source takes precedence, and which have
// more effects than it seems.
func (c *Configuration) shadowed(edits []dotenv.Change, values map[string]string) (warnings []string) {
	for _, e := range edits {
		if e.Name == setting.SSRAuthEnabled && e.Value == "false" {
			warnings = append(warnings, e.Name+" switches all accounts off, and these pages with them.")
		}
		s := c.keys[slices.IndexFunc(c.keys, func(k Key) bool { return k.Name == e.Name })].Setting
		switch {
		case c.sources.Flags[e.Name] != "":
			warnings = append(warnings, fmt.Sprintf("%s has no effect: the flag %s wins.", e.Name, c.sources.FlagNames[e.Name]))
		case c.environ[e.Name] != "":
			warnings = append(warnings, e.Name+" has no effect: the environment of the server sets it as well, and wins.")
		case e.Name == s.Name && s.Alias != "" && (values[s.Alias] != "" || c.environ[s.Alias] != ""):
			warnings = append(warnings, fmt.Sprintf("%s has no effect: %s is set as well, and wins.", e.Name, s.Alias))
		}
	}
	return warnings
}

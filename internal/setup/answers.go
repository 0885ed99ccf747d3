package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
)

// Answers are the decisions made so far. All of them are optional.
type Answers struct {
	// Preset is the id of one of Presets; DefaultPreset if empty.
	Preset string `json:"preset,omitempty"`
	// Values maps names of settings to values. An empty value removes the variable from the .env file.
	Values map[string]string `json:"values,omitempty"`
	// Files are the names of Extras.
	Files []string `json:"files,omitempty"`
}

// ReadAnswers reads answers as JSON. An unknown key is an error.
func ReadAnswers(r io.Reader) (a Answers, err error) {
	const most = 1 << 20 // bytes
	dec := json.NewDecoder(io.LimitReader(r, most))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		return a, fmt.Errorf(`read the answers: %w; write for example {"preset":"recommended","values":{"OR3_PUBLIC_URL":"https://cloud.example.org"},"files":["systemd"]}`, err)
	}
	if dec.More() {
		return a, errors.New("read the answers: something follows them")
	}
	return a, nil
}

// With returns the answers with one more.
func (a Answers) With(name, text string) Answers {
	a.Values = maps.Clone(a.Values)
	if a.Values == nil {
		a.Values = map[string]string{}
	}
	a.Values[name] = text
	return a
}

// Complete fills in the default preset if none is named, and refuses unknown names.
func (s *Setup) Complete(a Answers) (Answers, error) {
	if a.Preset == "" {
		a.Preset = s.DefaultPreset()
	}
	if a.Preset == "" {
		return a, fmt.Errorf("%s selects providers of no preset; name the preset that should replace them", s.path(EnvFile))
	}
	if err := s.checkPreset(a.Preset); err != nil {
		return a, err
	}
	for _, name := range slices.Sorted(maps.Keys(a.Values)) {
		if _, ok := s.settings[name]; !ok {
			return a, fmt.Errorf("%q is not a setting%s", name, s.meant(name))
		}
	}
	for _, name := range a.Files {
		if !slices.ContainsFunc(Extras, func(e Extra) bool { return e.Name == name }) {
			return a, fmt.Errorf("%q is not one of the other files; they are %s", name, strings.Join(extraNames(), ", "))
		}
	}
	return a, nil
}

// meant suggests which setting a name was meant to be, or what else the name is.
func (s *Setup) meant(name string) string {
	for _, one := range s.settings {
		switch name {
		case one.Alias:
			return ". It is another name of " + one.Name + ", which is the one to answer"
		case one.Name + "_FILE":
			if one.Secret {
				return " that can be answered. Write it into the .env file yourself; the key in the file that it names then stays"
			}
		}
	}
	near := config.Nearest(strings.ToUpper(strings.TrimSpace(name)), slices.Collect(maps.Keys(s.settings)))
	if near == "" {
		return ""
	}
	return ". Did you mean " + near + "?"
}

// WithoutSecrets returns the part of the answers that may be stored until they are complete.
func (s *Setup) WithoutSecrets(a Answers) Answers {
	a.Values = maps.Clone(a.Values)
	maps.DeleteFunc(a.Values, func(name, _ string) bool { return s.settings[name].Secret })
	return a
}

// Question is a question of set-up.
type Question struct {
	Setting or3cloud.Setting
	// Proposal is the value if there is no answer. It is empty for a secret, and Kept reports whether there is one.
	Proposal string
	Kept     bool
	// Answer is the answer so far.
	Answer   string
	Answered bool
}

// Questions returns the questions that are open or answered, in the order of the reference: settings that the preset
// does not decide and that the chosen providers need.
func (s *Setup) Questions(a Answers) (questions []Question) {
	cfg, _ := s.resolve(a)
	fixed := s.preset(a).fixed(s.opts.Host)
	for _, one := range s.relevant(cfg) {
		if _, decided := fixed[one.Name]; decided || !one.Asked || !one.AskedWhen.Holds(cfg) {
			continue
		}
		q := Question{Setting: one}
		q.Answer, q.Answered = a.Values[one.Name]
		q.Proposal = cfg.String(one.Name)
		if q.Answered {
			unanswered := a
			unanswered.Values = maps.Clone(a.Values)
			delete(unanswered.Values, one.Name)
			before, _ := s.resolve(unanswered)
			q.Proposal = before.String(one.Name)
		}
		if one.Secret {
			q.Kept, q.Proposal = s.kept(one), ""
		}
		questions = append(questions, q)
	}
	return questions
}

// kept reports whether the .env file already has a secret, itself or in a file that it names.
func (s *Setup) kept(one or3cloud.Setting) bool {
	return s.present(one.Name) != "" || s.values[one.Name+"_FILE"] != ""
}

// Check returns what is wrong with an answer as it is being typed, or nil.
func (s *Setup) Check(a Answers, name, text string) *or3cloud.Problem {
	one := s.settings[name]
	if text == "" && one.Secret && s.kept(one) {
		return nil
	}
	_, problems := s.resolve(a.With(name, text))
	for _, p := range problems {
		// A value that strict mode demands is generated, or asked for once everything is answered.
		if p.Variable == name && (text != "" || one.Make == "") {
			return &p
		}
	}
	return s.checkText(one, text)
}

// writable reports whether a .env file can hold a value such that every program reads it the same way.
func writable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// checkText asks the setting itself.
func (s *Setup) checkText(one or3cloud.Setting, text string) *or3cloud.Problem {
	if !writable(text) {
		return &or3cloud.Problem{Variable: one.Name, Fault: "has a character that no .env file can have: a NUL, or one that is not UTF-8", Fix: "Leave it out."}
	}
	if one.Check == nil || text == "" {
		return nil
	}
	if fault, fix := one.Check(text); fault != "" {
		return &or3cloud.Problem{Variable: one.Name, Fault: fault, Fix: fix}
	}
	return nil
}

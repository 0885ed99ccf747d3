package setup

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/dotenv"
	"or3.chat/cloud/setting"
)

// Action is what happens to a variable or a file.
type Action string

// The actions.
const (
	ActionAdd    Action = "add"
	ActionChange Action = "change"
	ActionKeep   Action = "keep"
	ActionRemove Action = "remove"
)

// Plan lists what would be written, for people and programs. It reveals no secrets. Apply carries it out.
type Plan struct {
	Preset    string                           `json:"preset"`
	Host      Host                             `json:"host"`
	Dir       string                           `json:"dir"`
	Providers map[or3cloud.ProviderKind]string `json:"providers"`
	Variables []Variable                       `json:"variables"`
	Files     []File                           `json:"files"`
	// Directories are the directories to create, with mode 0700.
	Directories []string `json:"directories"`
	// Warnings are things that an operator should know in advance.
	Warnings []string `json:"warnings"`
	// Next lists what to do afterwards, a command or a sentence each.
	Next []string `json:"next"`
}

// Variable is a variable in the .env file that set-up decides.
type Variable struct {
	Name   string `json:"name"`
	Label  string `json:"label"`
	Group  string `json:"group"`
	Action Action `json:"action"`
	// Value is empty for a secret, for which Length is the number of characters.
	Value  string `json:"value,omitempty"`
	Secret bool   `json:"secret,omitempty"`
	Length int    `json:"length,omitempty"`
	// Generated reports that the key is new. From names the file that it was taken from.
	Generated bool   `json:"generated,omitempty"`
	From      string `json:"from,omitempty"`
}

// File is a file to write.
type File struct {
	// Path is relative to the directory.
	Path   string `json:"path"`
	Action Action `json:"action"`
	Mode   string `json:"mode"`

	mode          fs.FileMode
	before, after []byte // before is nil if there is no file yet
}

// Text returns the planned content of the file. For the .env file, that includes secrets.
func (f File) Text() []byte { return slices.Clone(f.after) }

// envHeading is the comment above additions to a .env file.
const envHeading = "Written by or3-cloud init; change it as you like"

// secretFile and publicFile are the modes of written files.
const (
	secretFile fs.FileMode = 0o600
	publicFile fs.FileMode = 0o644
)

// Plan returns the plan for the answers. If there are problems, there is nothing to apply. They are complete, and in
// the order of the reference.
func (s *Setup) Plan(a Answers) (Plan, []or3cloud.Problem, error) {
	a, err := s.Complete(a)
	if err != nil {
		return Plan{}, nil, err
	}
	cfg, _ := s.resolve(a)
	p := planner{Setup: s, answers: a, cfg: cfg, plan: Plan{
		Preset: a.Preset, Host: s.opts.Host, Dir: s.opts.Dir, Providers: providers(cfg),
		Directories: []string{}, Warnings: []string{}, Next: []string{},
	}}
	changes, problems, err := p.decide()
	if err != nil {
		return Plan{}, nil, err
	}
	text, err := dotenv.Edit(string(s.env), envHeading, changes)
	if err != nil {
		return Plan{}, nil, fmt.Errorf("%s: %w", s.path(EnvFile), err)
	}
	problems = append(problems, p.check(text)...)
	problems = append(problems, p.misread(text)...)
	if err := p.files(text); err != nil {
		return Plan{}, nil, err
	}
	if err := p.directory(); err != nil {
		return Plan{}, nil, err
	}
	p.next()
	p.inherited(changes)
	return p.plan, problems, nil
}

// planner makes one plan.
type planner struct {
	*Setup
	answers Answers
	cfg     *config.Config
	plan    Plan
}

// check parses the planned file as the server will.
func (p *planner) check(text string) []or3cloud.Problem {
	cfg, problems, warnings := config.Load(p.catalog, config.Sources{Dir: p.opts.Dir, EnvFile: EnvFile, EnvText: []byte(text)})
	links, more := config.CheckLinks(cfg)
	if !p.preset(p.answers).public {
		more = nil // a user who wants no address needs no warning that there is none
	}
	if fault := config.Replaceable(p.path(EnvFile)); fault != nil && p.environ[setting.SharedVolume] != "true" {
		problems = append(problems, *fault)
	}
	missing, doubts := p.checkProviders(cfg)
	for _, w := range slices.Concat(warnings, doubts, more) {
		p.plan.Warnings = append(p.plan.Warnings, w.String())
	}
	p.cfg = cfg
	return slices.Concat(problems, missing, links)
}

// misread finds values that a service or container would get wrong, because another program parses the file there.
func (p *planner) misread(text string) (problems []or3cloud.Problem) {
	if !slices.ContainsFunc(p.answers.Files, func(name string) bool { return extra(name).elsewhere }) {
		return nil
	}
	for _, name := range dotenv.Misread(text) {
		if _, ours := p.settings[name]; !ours {
			continue
		}
		problems = append(problems, or3cloud.Problem{
			Variable: name, Fault: "is written in a way that systemd and Docker read otherwise",
			Why: "the service would get another value",
			Fix: "Choose a value without quotes, $, # and backslashes, and let its line be NAME=value, without a comment or export; " +
				"or leave out the files for systemd and Docker.",
		})
	}
	return problems
}

// decide returns the changes to the .env file, and lists all variables that set-up has decided.
func (p *planner) decide() (changes []dotenv.Change, problems []or3cloud.Problem, err error) {
	fixed := p.preset(p.answers).fixed(p.opts.Host)
	proposals := p.preset(p.answers).proposals
	relevant := p.relevant(p.cfg)
	for _, name := range slices.Sorted(maps.Keys(p.answers.Values)) { // including settings that the chosen providers do not read, because they were given explicitly
		if !slices.ContainsFunc(relevant, func(one or3cloud.Setting) bool { return one.Name == name }) {
			relevant = append(relevant, p.settings[name])
		}
	}
	fresh := p.withoutKeys(relevant)
	for _, one := range relevant {
		v := Variable{Name: one.Name, Label: one.Label, Group: one.Group, Secret: one.Secret, Action: ActionKeep}
		is := p.present(one.Name)
		want, _ := p.decided(p.answers, one.Name)
		_, answered := p.answers.Values[one.Name]
		preset, isFixed := fixed[one.Name]
		_, proposed := proposals[one.Name]
		if preset == unasked {
			isFixed, proposed = false, false
		}
		switch {
		case answered:
			if fault := p.checkText(one, want); fault != nil {
				problems = append(problems, *fault)
			}
			if !writable(want) {
				continue
			}
		case one.Make != "" && !p.kept(one):
			if want, v.From, err = p.key(one, fresh); err != nil {
				return nil, nil, err
			}
			v.Generated = v.From == ""
		case isFixed, proposed, is != "" && (one.Asked || one.Make != ""):
		default:
			continue
		}
		switch {
		case want == is && is == "":
			continue
		case want == is:
		case want == "":
			v.Action = ActionRemove
		case is != "":
			v.Action = ActionChange
		case want == one.Default && !isFixed:
			continue // stays as it is, without being listed
		default:
			v.Action = ActionAdd
		}
		if v.Length = len([]rune(want)); !v.Secret {
			v.Value, v.Length = want, 0
		}
		p.plan.Variables = append(p.plan.Variables, v)
		changes = append(changes, p.changes(one, want, v.Action)...)
	}
	return changes, problems, nil
}

// changes returns the changes for a variable. If its alias is set, which some hosts read and others do not, both get
// the same value.
func (p *planner) changes(one or3cloud.Setting, want string, action Action) (changes []dotenv.Change) {
	if action == ActionKeep {
		return nil
	}
	_, here := p.values[one.Name]
	if action != ActionRemove || here {
		changes = append(changes, dotenv.Change{Name: one.Name, Value: want, Unset: action == ActionRemove})
	}
	if _, aliased := p.values[one.Alias]; aliased && one.Alias != "" {
		changes = append(changes, dotenv.Change{Name: one.Alias, Value: want, Unset: action == ActionRemove})
	}
	return changes
}

// withoutKeys reports whether there is no key yet. If there are some, an optional key may already be derived from them,
// and a new one would end all sessions.
func (p *planner) withoutKeys(settings []or3cloud.Setting) bool {
	return !slices.ContainsFunc(settings, func(one or3cloud.Setting) bool { return one.Make != "" && p.kept(one) })
}

// key returns the key that a server has generated in the data directory, because with another one everyone would have
// to sign in again. Otherwise it generates one if strict mode demands it, or, in a new installation, if the setting
// belongs to no optional feature. "" means none.
func (p *planner) key(one or3cloud.Setting, fresh bool) (key, from string, err error) {
	if len(p.cfg.Roles()) == 0 {
		return "", "", nil
	}
	key, file, err := datadir.Generated(p.dataDir(), one.Name)
	switch {
	case err != nil:
		return "", "", err
	case key != "" && !one.TooShort(key):
		return key, file, nil
	case one.Demanded && one.DemandedWhen.Holds(p.cfg), !one.Demanded && fresh:
		key, err = one.Generate(p.opts.Rand)
		return key, "", err
	}
	return "", "", nil
}

// dataDir returns the data directory of a server started in the directory.
func (p *planner) dataDir() string {
	dir := p.cfg.String(setting.DataDir)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.opts.Dir, dir)
	}
	return dir
}

// directory plans the creation of the data directory, because strict mode does not create it. Under systemd and in a
// container, it is elsewhere.
func (p *planner) directory() error {
	keeps := slices.ContainsFunc(p.cfg.SelectedProviders(), func(id string) bool { // otherwise all providers of the Nuxt host are OR3 Chat's
		_, compiled := p.opts.Registry.Lookup(id)
		return compiled
	})
	if !keeps || len(p.cfg.Roles()) == 0 || slices.ContainsFunc(p.answers.Files, func(name string) bool { return extra(name).elsewhere }) {
		return nil
	}
	dir := p.dataDir()
	info, err := os.Stat(dir)
	switch {
	case os.IsNotExist(err):
		if _, err := os.Lstat(dir); err == nil {
			return fmt.Errorf("the data directory %s is a link to what does not exist; make the directory that it leads to, or remove it", dir)
		}
		p.plan.Directories = append(p.plan.Directories, dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("the data directory %s is a file", dir)
	}
	return nil
}

// inherited warns of variables that the environment sets to other values.
func (p *planner) inherited(changes []dotenv.Change) {
	for _, c := range changes {
		if is := p.environ[c.Name]; is != "" && is != c.Value {
			p.plan.Warnings = append(p.plan.Warnings, c.Name+" is set in the environment, which wins over "+EnvFile+" in a server that inherits it.")
		}
	}
}

// quoted returns a path quoted for a shell.
func quoted(path string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+,="
	if path != "" && strings.Trim(path, plain) == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// next lists what to do next.
func (p *planner) next() {
	say := func(format string, args ...any) { p.plan.Next = append(p.plan.Next, fmt.Sprintf(format, args...)) }
	in := ""
	if here, err := os.Getwd(); err != nil || here != p.opts.Dir {
		in = "cd " + quoted(p.opts.Dir) + " && "
	}
	if p.opts.Host == HostNuxt {
		var ours, others []string
		for _, m := range nuxtModules(p.cfg) {
			name := strings.TrimSuffix(m, nuxtEntry)
			if _, compiled := p.opts.Registry.Lookup(strings.TrimPrefix(name, nuxtPackage)); compiled {
				ours = append(ours, name)
			} else {
				others = append(others, name)
			}
		}
		if len(ours) > 0 {
			say("Install the packages of OR3 Cloud, as docs/nuxt-host.md says: %s. The registry may have others of the same names.", strings.Join(ours, ", "))
		}
		if len(others) > 0 {
			say("%snpm install %s", in, strings.Join(others, " "))
		}
		say("%snpm run build", in)
		return
	}
	for _, name := range p.answers.Files {
		p.plan.Next = append(p.plan.Next, extra(name).next(p.Setup)...)
	}
	if !slices.ContainsFunc(p.answers.Files, func(name string) bool { return extra(name).elsewhere }) {
		command := "or3-cloud serve"
		if p.opts.Host == HostGo {
			command = "go run . serve"
		}
		if len(p.cfg.Roles()) == 0 {
			command += " --web PATH_OF_THE_CLIENT"
		}
		say("%s%s", in, command)
	}
	if len(p.cfg.Roles()) > 0 {
		say("As long as there is no account, the server prints a link that creates the first one.")
	}
}

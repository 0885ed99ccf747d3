package program

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/setting"
	"or3.chat/cloud/web"
)

// configCommand prints the resolved configuration.
type configCommand struct {
	app
	settingFlags
	web  string
	json bool
}

func (a app) config() *cobra.Command {
	c := configCommand{app: a}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting with its value and where it came from",
		Long: "Print every setting with its value and where it came from: a default, the .env file, the environment or a flag, from the weakest to\n" +
			"the strongest. Secrets are shown as their length. With --web it also says what is recognised in that directory. The exit code is 1 when the server would refuse to start with this configuration.",
		Example: "  or3-cloud config\n  or3-cloud config --env-file /etc/or3-cloud.env --json\n  or3-cloud config --web ./or3-chat/.output/public",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return c.run() },
	}
	c.bind(cmd)
	bindWeb(cmd, &c.web)
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// shownValue is one line of "or3-cloud config --json".
type shownValue struct {
	Name string `json:"name"`
	// Value is absent for secrets.
	Value  *string `json:"value,omitempty"`
	Secret bool    `json:"secret,omitempty"`
	// Length is the number of characters of a secret.
	Length int           `json:"length,omitempty"`
	Origin config.Origin `json:"origin"`
	// Group and Label are the setting's in the reference.
	Group string `json:"group,omitempty"`
	Label string `json:"label,omitempty"`
}

func (c configCommand) run() error {
	s, err := c.loadServer(c.settingFlags)
	if err != nil {
		return err
	}
	client, err := c.recognised(s)
	if err != nil {
		s.problems = append(s.problems, noClient(err))
	}
	more := slices.Concat(limits(s), client, memory())
	if c.json {
		err = c.printJSON(s, more)
	} else {
		err = c.printTable(s, more)
	}
	if err != nil {
		return err
	}
	for _, w := range s.warnings {
		fmt.Fprintf(c.stderr, "or3-cloud: warning: %s\n", w)
	}
	if len(s.problems) > 0 {
		c.report(s.problems)
		return errReported
	}
	return nil
}

// noClient is the problem of a directory without a client.
func noClient(err error) or3cloud.Problem {
	return or3cloud.Problem{
		Variable: "--web", Fault: oneLine(oserror.Explain(err).Error()), Fix: "Give the directory of a client, or leave the flag out.",
	}
}

// limits are the rate limits that follow from the settings.
func limits(s settings) (shown []shownValue) {
	const off = "off"
	set, _ := ratelimit.Limits(s.String(setting.RateLimitOverrides))
	for _, b := range ratelimit.Budgets() {
		limit, ok := set[b.Operation]
		if !ok {
			continue
		}
		line := shownValue{Name: "limit." + string(b.Operation), Origin: config.OriginDefault}
		text := fmt.Sprintf("%d in %v", limit.Max, limit.Window)
		switch {
		case !s.Bool(setting.LimitsEnabled):
			text, line.Origin = off, setting.LimitsEnabled
		case ratelimit.Off(s, s.Production()):
			text, line.Origin = off, setting.DisableRateLimit
		case limit != b.Limit:
			line.Origin = setting.RateLimitOverrides
		}
		line.Value = &text
		shown = append(shown, line)
	}
	return shown
}

func (c configCommand) printTable(s settings, more []shownValue) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, v := range s.Values() {
		text := v.Text
		if v.Setting.Secret {
			text = v.Shown()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.Setting.Name, v.Origin, text)
	}
	for _, line := range more {
		fmt.Fprintf(w, "%s\t%s\t%s\n", line.Name, line.Origin, *line.Value)
	}
	return w.Flush()
}

// derived is a line for something that is not a setting but follows from the environment.
func derived(name string, origin config.Origin, value string) shownValue {
	return shownValue{Name: name, Origin: origin, Value: &value}
}

// The memory limit of the process, and how much of it all requests together may hold.
const (
	memoryLimit  = "memory.limit"
	memoryBudget = "memory.budget"
)

// memory returns both.
func memory() []shownValue {
	m := membudget.Read()
	return []shownValue{
		derived(memoryLimit, config.Origin(m.Source), strconv.FormatInt(m.Bytes, 10)),
		derived(memoryBudget, memoryLimit, strconv.FormatInt(m.Budget(), 10)),
	}
}

// recognised returns what --web resolves to.
func (c configCommand) recognised(s settings) ([]shownValue, error) {
	if c.web == "" {
		return nil, nil
	}
	found, err := web.Inspect(s.client(c.web))
	if err != nil {
		return nil, err
	}
	of := []shownValue{derived("web.form", "--web", string(found.Form))}
	say := func(name, value string) { of = append(of, derived(name, "web.form", value)) }
	switch {
	case !found.Cloud:
		say("web.configuration", "that of the build: this server has no accounts")
	case found.Configured:
		say("web.configuration", "that of the build, with this server's")
	default:
		say("web.configuration", "that of the build alone: "+found.Why)
	}
	if found.Cloud && found.Form != web.Plain {
		workers := strings.Join(found.Workers, ", ")
		if workers == "" {
			workers = "none"
		}
		say("web.workers", workers)
		accounts := "in the client"
		if !found.AccountUI {
			accounts = "the client has no UI for them; people sign in at " + web.AccountPath + "/"
		}
		say("web.accounts", accounts)
	}
	return of, nil
}

func (c configCommand) printJSON(s settings, more []shownValue) error {
	shown := []shownValue{}
	for _, v := range s.Values() {
		line := shownValue{Name: v.Setting.Name, Secret: v.Setting.Secret, Origin: v.Origin, Group: v.Setting.Group, Label: v.Setting.Label}
		if line.Secret {
			line.Length = len([]rune(v.Text))
		} else {
			line.Value = &v.Text
		}
		shown = append(shown, line)
	}
	shown = append(shown, more...)
	return console.PrintJSON(c.stdout, shown)
}

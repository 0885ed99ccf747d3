package program

import (
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/setting"
)

// configCommand prints the resolved configuration.
type configCommand struct {
	app
	settingFlags
	json bool
}

func (a app) config() *cobra.Command {
	c := configCommand{app: a}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting with its value and where it came from",
		Long: "Print every setting with its value and where it came from: a default, the .env file, the environment or a flag, from the weakest to\n" +
			"the strongest. Secrets are shown as their length. The exit code is 1 when the server would refuse to start with this configuration.",
		Example: "  or3-cloud config\n  or3-cloud config --env-file /etc/or3-cloud.env --json",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return c.run() },
	}
	c.bind(cmd)
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
	// Group and Label are what the reference calls the setting.
	Group string `json:"group,omitempty"`
	Label string `json:"label,omitempty"`
}

func (c configCommand) run() error {
	s, err := c.loadServer(c.settingFlags)
	if err != nil {
		return err
	}
	if c.json {
		err = c.printJSON(s)
	} else {
		err = c.printTable(s)
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

func (c configCommand) printTable(s settings) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, v := range s.Values() {
		text := v.Text
		if v.Setting.Secret {
			text = v.Shown()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.Setting.Name, v.Origin, text)
	}
	for _, l := range limits(s) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", l.Name, l.Origin, *l.Value)
	}
	m := membudget.Read()
	fmt.Fprintf(w, "%s\t%s\t%d\n%s\t%s\t%d\n", memoryLimit, m.Source, m.Bytes, memoryBudget, derived, m.Budget())
	return w.Flush()
}

// What is no setting but follows from the system: the limit of the process's memory, and how much of it all requests
// together may hold.
const (
	memoryLimit  = "memory.limit"
	memoryBudget = "memory.budget"
	derived      = "memory.limit"
)

func (c configCommand) printJSON(s settings) error {
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
	shown = append(shown, limits(s)...)
	m := membudget.Read()
	limit, budget := strconv.FormatInt(m.Bytes, 10), strconv.FormatInt(m.Budget(), 10)
	shown = append(shown,
		shownValue{Name: memoryLimit, Value: &limit, Origin: config.Origin(m.Source)},
		shownValue{Name: memoryBudget, Value: &budget, Origin: derived})
	return printJSON(c.stdout, shown)
}

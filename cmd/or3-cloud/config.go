package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"or3.chat/cloud/internal/config"
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
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return c.run() },
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
}

func (c configCommand) run() error {
	s, err := c.load(c.settingFlags)
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

func (c configCommand) printTable(s settings) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, v := range s.Values() {
		text := v.Text
		if v.Setting.Secret {
			text = v.Shown()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.Setting.Name, v.Origin, text)
	}
	return w.Flush()
}

func (c configCommand) printJSON(s settings) error {
	shown := []shownValue{}
	for _, v := range s.Values() {
		line := shownValue{Name: v.Setting.Name, Secret: v.Setting.Secret, Origin: v.Origin}
		if line.Secret {
			line.Length = len([]rune(v.Text))
		} else {
			line.Value = &v.Text
		}
		shown = append(shown, line)
	}
	e := json.NewEncoder(c.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(shown)
}

// Package initialize is the command that sets up a directory: the engine of set-up with its two faces, the wizard and
// the flags.
package initialize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/program/wizard"
)

// Options are what the command needs from its program.
type Options struct {
	Stdin   *os.File
	Stdout  io.Writer
	Environ []string
	Rand    io.Reader
	// Register registers the providers that are compiled in.
	Register []func(*or3cloud.Registry) error
	// Usage makes an error a mistake on the command line.
	Usage func(error) error
	// Refuse tells people about problems because of which nothing was written, and returns the error for that. It is
	// called without any when the user has left.
	Refuse func([]or3cloud.Problem) error
}

// command sets up a directory.
type command struct {
	Options
	dir, host, preset, answers string
	set, with                  []string
	yes, dryRun, json          bool
}

// Command returns the command, which takes no arguments.
func Command(o Options) *cobra.Command {
	c := command{Options: o}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set up a directory: ask what is needed, make keys, write .env",
		Long: "Set up a directory: ask what is needed, make keys, show what would be written, and write it when that is confirmed. In a .env file that\n" +
			"exists, only what set-up decides changes; keys stay. In a copy of OR3 Chat the list of its provider modules is written too, in a\n" +
			"Go program of your own the list of its providers (--host says which, if it should not be detected).\n\n" +
			"Without a terminal nothing is asked: --dry-run shows the plan, --yes carries it out. The exit code is 1 if something prevents it,\n" +
			"and nothing is written then.",
		Example: "  or3-cloud init\n" +
			"  or3-cloud init --yes --preset personal-local\n" +
			"  or3-cloud init --yes --set OR3_PUBLIC_URL=https://cloud.example.org --with systemd,caddy\n" +
			"  or3-cloud init --dry-run --json --answers answers.json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&c.dir, "dir", ".", "directory to set up")
	f.StringVar(&c.host, "host", "", "what the directory is for: program, go or nuxt (default: detected)")
	f.StringVar(&c.preset, "preset", "", "what to set up: recommended, personal-local, local-only and others")
	f.StringArrayVar(&c.set, "set", nil, "answer one question, as KEY=VALUE; may be repeated")
	f.StringSliceVar(&c.with, "with", nil, "write further files: systemd, docker, caddy, nginx")
	f.StringVar(&c.answers, "answers", "", "read the answers as JSON from this file, or from standard input if it is -")
	f.BoolVar(&c.yes, "yes", false, "write without asking")
	f.BoolVar(&c.dryRun, "dry-run", false, "show what would be written, and write nothing")
	f.BoolVar(&c.json, "json", false, "print the plan as JSON")
	return cmd
}

// Printed is what "or3-cloud init --json" prints.
type Printed struct {
	setup.Plan
	// Problems prevent the set-up.
	Problems []or3cloud.Problem `json:"problems"`
	// Written says that the plan was carried out.
	Written bool `json:"written"`
}

func (c command) run(ctx context.Context) error {
	engine, err := c.engine()
	if err != nil {
		return err
	}
	answers, err := c.given()
	if err != nil {
		return err
	}
	if !c.yes && !c.dryRun {
		if c.json || c.answers != "" || !c.terminal() {
			return c.Usage(errors.New("there is no terminal to ask at: use --dry-run to see what would be written, or --yes to write it"))
		}
		return c.ask(ctx, engine, answers)
	}
	plan, problems, err := engine.Plan(answers)
	if err != nil {
		return err
	}
	written := c.yes && !c.dryRun && len(problems) == 0
	if written {
		if err := apply(engine, plan); err != nil {
			return err
		}
	}
	if c.json {
		out := Printed{Plan: plan, Problems: append([]or3cloud.Problem{}, problems...), Written: written}
		enc := json.NewEncoder(c.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(out); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return c.Refuse(problems)
	}
	if !c.json {
		fmt.Fprint(c.Stdout, describe(plan, written))
	}
	return nil
}

// engine opens the directory.
func (c command) engine() (*setup.Setup, error) {
	registry := &or3cloud.Registry{}
	for _, register := range c.Register {
		if err := register(registry); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return nil, err
	}
	executable, err := os.Executable()
	if err != nil {
		executable = "or3-cloud"
	}
	return setup.Open(setup.Options{
		Dir: dir, Host: setup.Host(c.host), Registry: registry, Environ: c.Environ, Rand: c.Rand, Executable: executable,
	})
}

// given returns the answers of the command line, which win over those of --answers.
func (c command) given() (a setup.Answers, err error) {
	if c.answers != "" {
		in := io.Reader(c.Stdin)
		if c.answers != "-" {
			f, err := os.Open(c.answers)
			if err != nil {
				return a, err
			}
			defer f.Close()
			in = f
		}
		if a, err = setup.ReadAnswers(in); err != nil {
			return a, err
		}
	}
	if c.preset != "" {
		a.Preset = c.preset
	}
	for _, pair := range c.set {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return a, c.Usage(fmt.Errorf("--set takes KEY=VALUE, not %q", name))
		}
		a = a.With(name, text)
	}
	for _, name := range c.with {
		if !slices.Contains(a.Files, name) {
			a.Files = append(a.Files, name)
		}
	}
	return a, nil
}

// terminal reports whether there is someone to ask, at a terminal that can show pages.
func (c command) terminal() bool {
	out, ok := c.Stdout.(*os.File)
	return ok && !slices.Contains(c.Environ, "TERM=dumb") && term.IsTerminal(int(out.Fd())) && term.IsTerminal(int(c.Stdin.Fd()))
}

// Kept is the file with the answers of someone who continues another time. It holds no secret.
const Kept = ".or3-cloud-init.json"

// ask runs the wizard.
func (c command) ask(ctx context.Context, engine *setup.Setup, given setup.Answers) error {
	path := filepath.Join(engine.Dir(), Kept)
	if before, err := kept(path); err == nil { // what cannot be read is asked again
		given = merge(before, given)
	}
	if given.Preset != "" || len(given.Values) > 0 {
		if _, err := engine.Complete(given); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // the wizard itself handles the other signals
	defer stop()
	answers, decision, err := wizard.Run(ctx, c.Stdin, c.Stdout, engine, given, func(p setup.Plan) string { return describe(p, false) })
	switch {
	case ctx.Err() != nil:
		return c.Refuse(nil)
	case err != nil:
		return err
	}
	switch decision {
	case wizard.Write:
		plan, problems, err := engine.Plan(answers)
		if err != nil {
			return err
		}
		if len(problems) > 0 {
			return c.Refuse(problems)
		}
		if err := apply(engine, plan); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		fmt.Fprint(c.Stdout, describe(plan, true))
		return nil
	case wizard.Save:
		text, err := json.MarshalIndent(engine.WithoutSecrets(answers), "", "  ")
		if err != nil {
			return err
		}
		if err := keep(path, append(text, '\n')); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "The answers are in %s, without secrets. To continue, run: or3-cloud init\n", path)
		return nil
	default:
		return c.Refuse(nil)
	}
}

// kept reads answers from a file.
func kept(path string) (setup.Answers, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // reading a pipe might never end
		return setup.Answers{}, errors.Join(err, fs.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return setup.Answers{}, err
	}
	defer f.Close()
	return setup.ReadAnswers(f)
}

// keep writes a new file, whatever was at its path: a link there may lead anywhere.
func keep(path string, text []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// merge returns answers, those of now before those of before.
func merge(before, now setup.Answers) setup.Answers {
	if now.Preset != "" {
		before.Preset = now.Preset
	}
	for name, text := range now.Values {
		before = before.With(name, text)
	}
	if len(now.Files) > 0 {
		before.Files = now.Files
	}
	return before
}

// apply carries out a plan. Signals that would end the process wait until that is done: it takes milliseconds, and half
// of it would be useless.
func apply(engine *setup.Setup, plan setup.Plan) error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(interrupted)
	return engine.Apply(plan)
}

// describe says in words what a plan does, or has done.
func describe(p setup.Plan, written bool) string {
	var b strings.Builder
	verb := "Would write"
	if written {
		verb = "Written"
	}
	fmt.Fprintf(&b, "%s in %s\nby preset %s:\n\n", verb, p.Dir, p.Preset)
	signs := map[setup.Action]string{setup.ActionAdd: "+", setup.ActionChange: "~", setup.ActionRemove: "-", setup.ActionKeep: "="}
	for _, f := range p.Files {
		fmt.Fprintf(&b, "%s %s (mode %s)\n", signs[f.Action], f.Path, f.Mode)
		if f.Path != setup.EnvFile {
			continue
		}
		for _, v := range p.Variables {
			fmt.Fprintf(&b, "    %s %s\n", signs[v.Action], variable(v))
		}
	}
	for _, dir := range p.Directories {
		if inside, err := filepath.Rel(p.Dir, dir); err == nil && filepath.IsLocal(inside) {
			dir = inside
		}
		fmt.Fprintf(&b, "+ %s (directory, mode 0700)\n", dir)
	}
	b.WriteString("\n+ new   ~ changed   - removed   = unchanged\n")
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "\nNote: %s\n", w)
	}
	b.WriteString("\nThen:\n")
	for _, line := range p.Next {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}

// variable is a variable of a plan, a secret as its length.
func variable(v setup.Variable) string {
	switch {
	case v.Action == setup.ActionRemove:
		return v.Name
	case v.Secret && v.Generated:
		return fmt.Sprintf("%s=(a new key, %d characters)", v.Name, v.Length)
	case v.Secret && v.From != "":
		return fmt.Sprintf("%s=(secret, %d characters, from %s)", v.Name, v.Length, v.From)
	case v.Secret:
		return fmt.Sprintf("%s=(secret, %d characters)", v.Name, v.Length)
	default:
		return v.Name + "=" + shown(v.Value)
	}
}

// shown is a value on one line that cannot control a terminal.
func shown(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// Package program is OR3 Cloud as a library: its command line and its server, without a provider. A main function that
// calls Main with the Register functions of providers, from this module or others, is a complete program.
package program

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/program/doctor"
	"or3.chat/cloud/program/handover"
	"or3.chat/cloud/program/initialize"
	"or3.chat/cloud/program/owner"
	"or3.chat/cloud/program/probe"
	"or3.chat/cloud/program/providers"
	"or3.chat/cloud/program/version"
	"or3.chat/cloud/setting"
)

// Main runs OR3 Cloud with the registered providers, and exits: with 0 on success, 1 if something was refused or
// failed, and 2 for a mistake on the command line. It is the only call that a main function needs; so a program with
// other providers than those of this module is three lines (docs/providers.md).
func Main(register ...func(*or3cloud.Registry) error) {
	os.Exit(newApp(register...).main(os.Args[1:]))
}

// Commands returns the command line, for its documentation.
func Commands() *cobra.Command { return newApp().root() }

// release is the version that the linker was given: -ldflags "-X or3.chat/cloud/program.release=v1.2.3", as "make dist"
// does. It is for builds from a source archive, for which the Go tool records none.
var release string

// buildVersion is the version of this build.
func buildVersion() string { return version.This(release).Version }

// thisBuild describes this build.
func (a app) thisBuild() (version.Info, error) {
	registry, err := registered(a.register)
	if err != nil {
		return version.Info{}, err
	}
	return version.This(release).With(registry), nil
}

// app is the program with everything that it gets from outside, so that tests can replace it.
type app struct {
	stdin          *os.File
	stdout, stderr io.Writer
	// logJSON is the meaning of OR3_LOG_FORMAT=auto.
	logJSON  bool
	environ  []string
	now      func() time.Time
	rand     io.Reader
	register []func(*or3cloud.Registry) error
	// process says how this process was started and what may replace it.
	process handover.Process
}

func newApp(register ...func(*or3cloud.Registry) error) app {
	return app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, logJSON: !term.IsTerminal(int(os.Stderr.Fd())),
		environ: os.Environ(), now: time.Now, rand: rand.Reader, register: register, process: handover.This(version.Name),
	}
}

// errReported is returned by commands that have already told the user what is wrong.
var errReported = errors.New("reported")

// main runs the program with its arguments and returns the exit code.
func (a app) main(args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteC()
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, errReported) && !errors.Is(err, doctor.ErrFound):
		fmt.Fprintf(a.stderr, "or3-cloud: %s\n", oneLine(oserror.Explain(err).Error()))
		if errors.As(err, new(usageError)) {
			fmt.Fprintf(a.stderr, "Try: %s --help\n", cmd.CommandPath())
			return 2
		}
	}
	return 1
}

// oneLine is a text without line breaks, so that a supervisor that collects lines keeps it together.
func oneLine(text string) string {
	return strings.Join(strings.Split(strings.TrimSpace(text), "\n"), "; ")
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func (a app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "or3-cloud",
		Short:         "The self-hosted cloud for OR3 Chat: accounts, sync and files in one program",
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	printVersion := root.Flags().Bool("version", false, "print the version")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *printVersion {
			this, err := a.thisBuild()
			if err != nil {
				return err
			}
			return this.Print(a.stdout)
		}
		return cmd.Help()
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.init(), a.serve(), a.engine(), a.user(), a.admin(), a.workspace(), actionCommand(a), jobCommand(a), logCommand(a), a.audit(), a.mail(), a.fsck(), a.gc(), a.adopt(), a.config(), a.doctor(), healthcheckCommand(a), a.providers(), a.build(), versionCommand(a))
	root.AddCommand(watchCommands(a)...)
	return root
}

// init sets up a directory.
func (a app) init() *cobra.Command {
	cmd := initialize.Command(initialize.Options{
		Stdin: a.stdin, Stdout: a.stdout, Environ: a.environ, Rand: a.rand, Register: a.register,
		Usage: func(err error) error { return usageError{err} },
		Refuse: func(problems []or3cloud.Problem) error {
			if len(problems) == 0 {
				return errors.New("nothing was written")
			}
			a.reportProblems(problems, "nothing was written")
			return errReported
		},
	})
	cmd.Args = noArguments
	return cmd
}

// providers lists the providers.
func (a app) providers() *cobra.Command {
	var f settingFlags
	cmd := providers.ListCommand(a.stdout, func() (*config.Config, *or3cloud.Registry, error) {
		s, err := a.load(f)
		return s.Config, s.registry, err
	})
	cmd.Args = noArguments
	f.bindData(cmd.Flags().StringVar)
	return cmd
}

// build builds a program with other providers.
func (a app) build() *cobra.Command {
	cmd := providers.Command(providers.Options{
		Stdout: a.stdout, Stderr: a.stderr, Environ: a.environ, Register: a.register, Version: buildVersion(),
		Usage: func(err error) error { return usageError{err} },
	})
	cmd.Args = noArguments
	return cmd
}

// healthcheckCommand asks the running server for its health.
func healthcheckCommand(a app) *cobra.Command {
	var f settingFlags
	cmd := probe.Command(a.stdout, func() (probe.Server, error) {
		s, err := a.load(f)
		if err != nil {
			return probe.Server{}, err
		}
		return probe.Server{Addr: s.String(setting.Addr), Domain: s.Domain()}, nil
	})
	cmd.Args = noArguments
	f.bind(cmd)
	return cmd
}

// versionCommand prints the version of this build.
func versionCommand(a app) *cobra.Command {
	cmd := version.Command(a.stdout, a.thisBuild)
	cmd.Args = noArguments
	return cmd
}

// noArguments refuses arguments that are not flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return usageError{fmt.Errorf("%q is not a command or a flag%s", args[0], didYouMean(config.Nearest(args[0], names)))}
}

// flagError says what is wrong with a flag, and which one was meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		err = fmt.Errorf("%w%s", err, didYouMean(config.Nearest("--"+unknown.GetSpecifiedName(), names)))
	case errors.As(err, &invalid):
		takes := map[string]string{"bool": "true or false", "int": "a whole number"}[invalid.GetFlag().Value.Type()]
		err = fmt.Errorf("--%s takes %s, not %q", invalid.GetFlag().Name, cmp.Or(takes, "another value"), invalid.GetValue())
	}
	return usageError{err}
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return ". Did you mean " + near + "?"
}

// settingFlags are the flags that override variables.
type settingFlags struct {
	envFile string
	// partial says that another host has the providers that are not compiled in.
	partial bool
	// nuxt says that the configuration is that of a Nuxt host, which also has OR3 Chat's providers. It implies partial.
	nuxt               bool
	addr, data, domain string
}

func (f *settingFlags) bind(cmd *cobra.Command) {
	f.bindData(cmd.Flags().StringVar)
	cmd.Flags().StringVar(&f.addr, "addr", "", config.FlagUsage(setting.Addr))
	cmd.Flags().Var((*console.List)(&f.domain), "domain", config.FlagUsage(setting.Domain))
}

// bindData binds the flags of commands that do not listen.
func (f *settingFlags) bindData(text func(value *string, name, preset, usage string)) {
	text(&f.envFile, "env-file", "", "read variables from this file (default: .env, if there is one)")
	text(&f.data, "data", "", config.FlagUsage(setting.DataDir))
}

// sources returns where the configuration comes from.
func (a app) sources(f settingFlags) config.Sources {
	src := config.Sources{
		EnvFile: ".env", Environ: a.environ,
		Flags: map[string]string{}, FlagNames: map[string]string{setting.Addr: "--addr", setting.DataDir: "--data", setting.Domain: "--domain"},
	}
	if f.envFile != "" {
		src.EnvFile, src.EnvFileRequired = f.envFile, true
	}
	for name, value := range map[string]string{setting.Addr: f.addr, setting.DataDir: f.data, setting.Domain: f.domain} {
		if value != "" {
			src.Flags[name] = value
		}
	}
	return src
}

// settings is a loaded configuration with the providers that it was checked against.
type settings struct {
	*config.Config
	registry *or3cloud.Registry
	known    *or3cloud.Registry // those whose settings are known: all that are compiled in, and in a Nuxt host those of OR3 Chat
	problems []or3cloud.Problem
	warnings []or3cloud.Problem
	home     owner.Home // of commands
	partial  bool       // see settingFlags
}

// registered registers providers.
func registered(all []func(*or3cloud.Registry) error) (*or3cloud.Registry, error) {
	registry := &or3cloud.Registry{}
	for _, register := range all {
		if err := register(registry); err != nil {
			return nil, err
		}
	}
	return registry, nil
}

// load registers the providers and resolves and checks the configuration. An error is a mistake in the program.
func (a app) load(f settingFlags) (settings, error) {
	registry, err := registered(a.register)
	if err != nil {
		return settings{}, err
	}
	s := settings{registry: registry, known: registry, partial: f.partial || f.nuxt}
	if f.nuxt {
		if s.known, err = setup.WithChat(s.registry); err != nil {
			return s, err
		}
	}
	catalogue, err := config.NewCatalogue(s.known)
	if err != nil {
		return s, err
	}
	s.Config, s.problems, s.warnings = config.Load(catalogue, a.sources(f))
	check := config.CheckProviders
	if s.partial {
		ofHost := func(p or3cloud.Problem) bool { return setting.OfAdmin(p.Variable) }
		s.problems, s.warnings = slices.DeleteFunc(s.problems, ofHost), slices.DeleteFunc(s.warnings, ofHost)
		check = config.CheckOwnProviders
	}
	problems, warnings := check(s.Config, s.known)
	s.problems, s.warnings = append(s.problems, problems...), append(s.warnings, warnings...)
	if s.Strict() && s.keeps() {
		path, err := s.DataPath()
		if err != nil {
			return s, err
		}
		s.problems = append(s.problems, datadir.Check(path)...)
	}
	return s, nil
}

// loadServer is load for commands that need the configuration of a server: it also has to know where people reach it.
func (a app) loadServer(f settingFlags) (settings, error) {
	s, err := a.load(f)
	if err == nil && (!f.nuxt || s.needsDisk()) { // a host without data here makes its own links
		problems, warnings := config.CheckLinks(s.Config)
		s.problems, s.warnings = append(s.problems, problems...), append(s.warnings, warnings...)
	}
	return s, err
}

// accept is loadServer for commands that start a server: it rejects a configuration with problems, and writes the
// warnings to the log that it returns.
func (a app) accept(f settingFlags) (settings, *logx.Journal, error) {
	s, err := a.loadServer(f)
	if err != nil {
		return s, nil, err
	}
	if len(s.problems) > 0 {
		a.report(s.problems)
		return s, nil, errReported
	}
	log, err := a.logger(s.Config)
	if err != nil {
		return s, nil, err
	}
	logx.Adopt(log.Logger)
	for _, w := range s.warnings {
		log.Warn(w.String())
	}
	return s, log, nil
}

// report prints all problems at once.
func (a app) report(problems []or3cloud.Problem) { a.reportProblems(problems, "nothing was started") }

// reportProblems is report with what was not done because of them.
func (a app) reportProblems(problems []or3cloud.Problem, undone string) {
	noun := "problem"
	if len(problems) > 1 {
		noun += "s"
	}
	fmt.Fprintf(a.stderr, "or3-cloud: the configuration has %d %s, so %s:\n", len(problems), noun, undone)
	for _, p := range problems {
		fmt.Fprintf(a.stderr, "\n  %s\n    wrong: %s\n    fix:   %s\n", p.Variable, logx.Redact(p.Fault), p.Fix)
	}
}

// logger returns the logger that the configuration asks for.
func (a app) logger(c *config.Config) (*logx.Journal, error) {
	level, err := logx.ParseLevel(c.String(setting.LogLevel))
	if err != nil {
		return nil, err
	}
	format := c.String(setting.LogFormat)
	return logx.Open(a.stderr, level, format == "json" || format == "auto" && a.logJSON, a.now()), nil
}

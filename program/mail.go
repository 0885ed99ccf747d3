package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	ownmail "or3.chat/cloud/internal/mail"
	"or3.chat/cloud/setting"
)

// mail groups the commands about mail.
func (a app) mail() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mail",
		Short: "Try out the mail configuration",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.mailTest())
	return cmd
}

// mailTestCommand sends a test message.
type mailTestCommand struct {
	app
	settingFlags
	json bool
}

func (a app) mailTest() *cobra.Command {
	c := mailTestCommand{app: a}
	cmd := &cobra.Command{
		Use:   "test ADDRESS",
		Short: "Send a test message and say what is wrong if it cannot be sent",
		Long: "Send a test message to ADDRESS with the mail server of OR3_SMTP_URL, in the name of OR3_SMTP_FROM, and say what is wrong if it\n" +
			"cannot be sent. A running server is not needed and not disturbed.",
		Example: "  or3-cloud mail test you@example.org",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("one e-mail address is needed")}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return c.run(args[0]) },
	}
	c.bind(cmd)
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// mailTestResult is the outcome as "or3-cloud mail test --json" prints it.
type mailTestResult struct {
	OK     bool   `json:"ok"`
	Server string `json:"server,omitempty"`
	From   string `json:"from,omitempty"`
	To     string `json:"to"`
	// EHLOName is how the program introduced itself to the server.
	EHLOName string `json:"ehloName,omitempty"`
	// Step is where it failed, Code what the server replied.
	Step   string `json:"step,omitempty"`
	Code   int    `json:"code,omitempty"`
	Error  string `json:"error,omitempty"`
	Advice string `json:"advice,omitempty"`
}

func (c mailTestCommand) run(to string) error {
	if a, err := mail.ParseAddress(to); err != nil || a.Address != to {
		return usageError{fmt.Errorf("%q is no e-mail address", to)}
	}
	s, err := c.load(c.settingFlags)
	if err != nil {
		return err
	}
	r := mailTestResult{To: to}
	server, err := ownmail.Parse(s.String(setting.SMTPURL), s.String(setting.SMTPFrom), s.String(setting.EHLOName))
	switch {
	case err != nil:
		r.fault(err)
	case server == nil:
		r.Error, r.Advice = "no mail server is configured", "Set "+setting.SMTPURL+" and "+setting.SMTPFrom+"."
	default:
		r.Server, r.From, r.EHLOName = server.Server(), server.From(), server.EHLOName()
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if err := ownmail.NewSender(server, c.now, c.rand).Send(ctx, testLetter(to, s.String(setting.PublicURL))); err != nil {
			r.fault(err)
		}
	}
	r.OK = r.Error == ""
	return c.print(r)
}

// fault fills in what went wrong.
func (r *mailTestResult) fault(err error) {
	r.Error = err.Error()
	var setting *ownmail.FaultError
	var delivery *ownmail.Error
	switch {
	case errors.As(err, &setting):
		r.Error, r.Advice = setting.Setting+" "+setting.Fault, setting.Fix
	case errors.As(err, &delivery):
		r.Step, r.Code, r.Advice = string(delivery.Step), delivery.Code, delivery.Advice
	}
}

func testLetter(to, publicURL string) ownmail.Letter {
	l := ownmail.Letter{
		To: to, Subject: "OR3 Cloud can send mail",
		Paragraphs: []string{"This is a test message. Mail for forgotten passwords and notices about accounts will reach you like it."},
	}
	if publicURL != "" {
		l.Facts = []ownmail.Fact{{Name: "Server", Value: publicURL}}
	}
	return l
}

func (c mailTestCommand) print(r mailTestResult) error {
	if c.json {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(r); err != nil {
			return err
		}
	} else if r.OK {
		fmt.Fprintf(c.stdout, "%s has taken a message from %s to %s. The server introduced itself as %s.\n", r.Server, r.From, r.To, r.EHLOName)
	} else {
		fmt.Fprintf(c.stderr, "or3-cloud: %s\n", strings.TrimSpace(r.Error))
		if r.Advice != "" {
			fmt.Fprintf(c.stderr, "  fix: %s\n", r.Advice)
		}
	}
	if !r.OK {
		return errReported
	}
	return nil
}

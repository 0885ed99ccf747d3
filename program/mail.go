package program

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
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
			"cannot be sent. The server need not run, and is not disturbed if it does.",
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

func (c mailTestCommand) run(to string) error {
	if !operator.IsAddress(to) {
		return usageError{fmt.Errorf("%q is not an e-mail address", to)}
	}
	s, err := c.load(c.settingFlags)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return c.print(operator.MailTest{
		URL: s.String(setting.SMTPURL), From: s.String(setting.SMTPFrom), EHLOName: s.String(setting.EHLOName),
		To: to, PublicURL: s.String(setting.PublicURL), Now: c.now, Rand: c.rand,
	}.Run(ctx))
}

func (c mailTestCommand) print(r operator.MailTested) error {
	if c.json {
		if err := console.PrintJSON(c.stdout, r); err != nil {
			return err
		}
	} else if r.OK {
		fmt.Fprintf(c.stdout, "%s accepted a message from %s to %s. This program introduced itself as %s.\n", r.Server, r.From, r.To, r.EHLOName)
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

package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/program/shown"
)

// users are the commands below "or3-cloud user".
type users struct{ askers }

func (a app) user() *cobra.Command {
	flags := &settingFlags{}
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage accounts: add, invite, passwords, sessions, deletion",
		Long: "Manage accounts. An account is named by its e-mail address or its id.\n\n" +
			"While the server runs, the command asks it through a socket in the data directory and takes effect at once: sessions that end are\n" +
			"ended everywhere within two seconds. While it does not run, the command opens the data directory itself. Run it as root or as the\n" +
			"user that the server runs as, with the same --data or OR3_DATA_DIR.\n\n" +
			"The exit code is 0 on success, 1 if the instance refused and 2 for a mistake on the command line.",
		Example: "  or3-cloud user list\n  or3-cloud user add ann@example.org --name Ann\n  or3-cloud user delete ann@example.org",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags.bindData(cmd.PersistentFlags().StringVar)
	users := users{askers{a, flags}}
	cmd.AddCommand(users.add(), users.invite(), users.list(), users.passwd(), users.excuse(), users.resetLink(), users.disable(), users.enable(), users.sessions(),
		users.revoke(), users.delete(), users.admin())
	return cmd
}

func (a users) add() *cobra.Command {
	var in operator.NewAccount
	var byLink bool
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Create an account",
		Long: "Create an account. It needs no invite, whatever the registration mode. The password is asked for at the terminal, twice and\n" +
			"hidden, or read from standard input. With --reset-link the person chooses it: the command prints a link that works once, for 30 minutes.",
		Example: "  or3-cloud user add ann@example.org --name Ann\n  or3-cloud user add ann@example.org --reset-link\n  or3-cloud user add ann@example.org < password.txt",
	}
	cmd.Flags().StringVar(&in.DisplayName, "name", "", "display name")
	cmd.Flags().BoolVar(&byLink, "reset-link", false, "print a link through which the person chooses the password, instead of asking for one")
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) (err error) {
		in.Email = args[0]
		if !byLink {
			if in.Password, err = c.NewPassword(); err != nil {
				return err
			}
		}
		out, err := ask(ctx, c, operator.AddAccount, in)
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "Created the account %s (%s).\n", out.Account.Email, out.Account.ID)
			if out.Link != nil {
				say(w, *out.Link, "Choose the password here, once, until")
			}
		})
	})
}

// say prints a link.
func say(w io.Writer, l operator.Link, intro string) {
	fmt.Fprintf(w, "%s %s:\n\n    %s\n\n", intro, shown.Moment(l.ExpiresAt), l.Link)
}

func (a users) list() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List all accounts, the oldest first", Example: "  or3-cloud user list\n  or3-cloud user list --json"}
	return a.complete(cmd, 0, func(ctx context.Context, c *asking, _ []string) error {
		var out operator.Accounts
		err := c.reach(ctx, func(desk operator.Caller) (err error) {
			out, err = operator.AllAccounts(ctx, desk)
			return err
		})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { shown.Accounts(w, out.Accounts) })
	})
}

func (a users) passwd() *cobra.Command {
	var resetFactors, yes bool
	cmd := &cobra.Command{
		Use:   "passwd EMAIL",
		Short: "Set a new password, or remove a lost second factor",
		Long: "Set a new password and end all sessions. It is asked for at the terminal, twice and hidden, or read from standard input. It is better to use\n" +
			"or3-cloud user reset-link: then only the owner knows the password.\n\n" +
			"With --reset-factors no password is asked for: authenticator app, passkeys and recovery codes are removed and all sessions end, for\n" +
			"someone who has lost them all. Make sure who is asking: from then on the password alone opens the account.",
		Example: "  or3-cloud user passwd ann@example.org\n  or3-cloud user passwd ann@example.org --reset-factors",
	}
	cmd.Flags().BoolVar(&resetFactors, "reset-factors", false, "remove authenticator app, passkeys and recovery codes, and keep the password")
	console.BindYes(cmd, &yes)
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		if resetFactors {
			fmt.Fprintf(c.stderr, "The authenticator app, passkeys and recovery codes of %s will be removed permanently, and all sessions will end.\n", args[0])
			if err := c.Confirm(yes, "Remove them"); err != nil {
				return err
			}
			return act(ctx, c, operator.ResetFactors, operator.AccountName{Name: args[0]}, "The second factors of %s are removed and all sessions ended.\n", args[0])
		}
		password, err := c.NewPassword()
		if err != nil {
			return err
		}
		return act(ctx, c, operator.SetPassword, operator.NewPassword{Name: args[0], Password: password}, "The password of %s is changed and all sessions are ended.\n", args[0])
	})
}

func (a users) excuse() *cobra.Command {
	var text string
	var end bool
	cmd := &cobra.Command{
		Use:   "excuse EMAIL",
		Short: "Let an account continue for a while without a required second factor",
		Long: "Let an account continue for a while without the second factor that OR3_BASIC_AUTH_REQUIRE_SECOND_FACTOR demands, for someone who waits for\n" +
			"a new phone, for example. It lasts at most 28 days. If someone has lost their factors, use or3-cloud user passwd --reset-factors, after\n" +
			"which they sign in with the password and set up another one.",
		Example: "  or3-cloud user excuse ann@example.org --expires 7d\n  or3-cloud user excuse ann@example.org --end",
	}
	cmd.Flags().StringVar(&text, "expires", "7d", "for how long, such as 12h or 7d")
	cmd.Flags().BoolVar(&end, "end", false, "end the excuse")
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		span, err := parseLifetime(text)
		if err != nil {
			return err
		}
		if end {
			span = 0
		}
		out, err := ask(ctx, c, operator.ExcuseFactor, operator.Excuse{Name: args[0], Seconds: int64(span / time.Second)})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			switch {
			case out.SecondFactorDue.IsZero():
				fmt.Fprintf(w, "Done; at the moment %s does not need a second factor.\n", out.Email)
			default:
				fmt.Fprintf(w, "%s needs a second factor from %s on.\n", out.Email, shown.Moment(out.SecondFactorDue))
			}
		})
	})
}

func (a users) resetLink() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset-link EMAIL",
		Short: "Print a link through which the owner chooses a new password",
		Long: "Print a link through which the owner of an account chooses a new password. It works once, for 30 minutes, and not after another change of\n" +
			"the password. Send it in a way that you trust: anyone who has the link can take over the account, unless a second factor is\n" +
			"required. Links begin with OR3_PUBLIC_URL.",
		Example: "  or3-cloud user reset-link ann@example.org",
	}
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		out, err := ask(ctx, c, operator.ResetLink, operator.AccountName{Name: args[0]})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			say(w, out, fmt.Sprintf("Choose a new password for %s here, once, until", args[0]))
		})
	})
}

func (a users) disable() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "disable EMAIL",
		Short: "Switch an account off: no one can sign in to it, and its sessions end",
		Long: "Switch an account off. Its sessions end at once and no one can sign in to it until or3-cloud user enable. Its data stays; people who share\n" +
			"workspaces with it are not affected.",
		Example: "  or3-cloud user disable ann@example.org",
	}
	console.BindYes(cmd, &yes)
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		if err := c.confirmSessions(ctx, args[0], "", yes); err != nil {
			return err
		}
		return act(ctx, c, operator.DisableAccount, operator.AccountName{Name: args[0]}, "The account %s is switched off and its sessions are ended.\n", args[0])
	})
}

func (a users) enable() *cobra.Command {
	cmd := &cobra.Command{Use: "enable EMAIL", Short: "Switch an account on again", Example: "  or3-cloud user enable ann@example.org"}
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		return act(ctx, c, operator.EnableAccount, operator.AccountName{Name: args[0]}, "The account %s is switched on.\n", args[0])
	})
}

func (a users) sessions() *cobra.Command {
	cmd := &cobra.Command{Use: "sessions EMAIL", Short: "List the browsers that are signed in, the most recently used first",
		Example: "  or3-cloud user sessions ann@example.org"}
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		out, err := ask(ctx, c, operator.ListSessions, operator.AccountName{Name: args[0]})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { shown.Sessions(w, out.Sessions) })
	})
}

func (a users) revoke() *cobra.Command {
	var session string
	var all, yes bool
	cmd := &cobra.Command{
		Use:     "revoke EMAIL",
		Short:   "End sessions: one, or all of them",
		Long:    "End one session, with an id from or3-cloud user sessions, or all of them. The password stays as it is.",
		Example: "  or3-cloud user revoke ann@example.org --all\n  or3-cloud user revoke ann@example.org --session 0d1c…",
	}
	cmd.Flags().StringVar(&session, "session", "", "end this session")
	cmd.Flags().BoolVar(&all, "all", false, "end all sessions")
	console.BindYes(cmd, &yes)
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		if all == (session != "") {
			return usageError{errors.New("say which sessions: --session ID or --all")}
		}
		if err := c.confirmSessions(ctx, args[0], session, yes); err != nil {
			return err
		}
		out, err := ask(ctx, c, operator.RevokeSessions, operator.Revocation{Name: args[0], Session: session})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { fmt.Fprintf(w, "Sessions of %s ended: %d.\n", args[0], out.Revoked) })
	})
}

// confirmSessions shows at a terminal the sessions that will end, one or all, and asks.
func (c *asking) confirmSessions(ctx context.Context, name, session string, yes bool) error {
	if yes || !c.IsTerminal() {
		return nil
	}
	live, err := ask(ctx, c, operator.ListSessions, operator.AccountName{Name: name})
	if err != nil {
		return err
	}
	if session != "" {
		live.Sessions = slices.DeleteFunc(live.Sessions, func(s or3cloud.AccountSession) bool { return s.ID != session })
	}
	fmt.Fprintf(c.stderr, "Sessions of %s that will end: %d\n", name, len(live.Sessions))
	shown.Sessions(c.stderr, live.Sessions)
	return c.Confirm(yes, "End them")
}

func (a users) delete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete EMAIL",
		Short: "Delete an account permanently, with the workspaces that no one else uses",
		Long: "Delete an account permanently. What happens to its workspaces is shown first, with their files and sizes: those that no one else is in are\n" +
			"deleted, the others stay with their other members. A workspace that others use must get another owner first. Then the command asks;\n" +
			"without a terminal it deletes nothing unless --yes is given.",
		Example: "  or3-cloud user delete ann@example.org\n  or3-cloud user delete ann@example.org --yes",
	}
	console.BindYes(cmd, &yes)
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		return c.delete(ctx, args[0], yes)
	})
}

func (c *asking) delete(ctx context.Context, name string, yes bool) error {
	what, err := ask(ctx, c, operator.PreviewDeletion, operator.AccountName{Name: name})
	if err != nil {
		return err
	}
	shown.Deletion(c.stderr, what)
	if !yes {
		if !c.IsTerminal() {
			return usageError{errors.New("nothing was deleted; add --yes, because there is no terminal to ask at")}
		}
		answer, err := c.Answer("Delete " + what.Account.Email + " permanently? Type yes: ")
		if err != nil {
			return err
		}
		if answer != "yes" {
			return errors.New("nothing was deleted")
		}
	}
	return act(ctx, c, operator.DeleteAccount, operator.AccountName{Name: what.Account.ID}, "The account %s is deleted.\n", what.Account.Email)
}

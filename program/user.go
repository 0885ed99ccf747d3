package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/control"
)

// userCommand is one of "or3-cloud user": it asks the instance and prints the answer.
type userCommand struct {
	app
	*settingFlags
	console
	json     bool
	settings *settings // after the first call
}

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
	for _, sub := range []func(*settingFlags) *cobra.Command{
		a.userAdd, a.userInvite, a.userList, a.userPasswd, a.userResetLink, a.userDisable, a.userEnable, a.userSessions, a.userRevoke, a.userDelete,
	} {
		cmd.AddCommand(sub(flags))
	}
	return cmd
}

// newUserCommand completes a command: it takes as many arguments as its usage names, and knows --json.
func (a app) newUserCommand(flags *settingFlags, cmd *cobra.Command, arguments int, run func(context.Context, *userCommand, []string) error) *cobra.Command {
	c := &userCommand{app: a, settingFlags: flags, console: console{a.stdin, a.stderr}}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != arguments {
			return usageError{fmt.Errorf("%d arguments instead of %d; the usage is: %s", len(args), arguments, cmd.UseLine())}
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), c, args) }
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// call runs one command of the instance.
func (c *userCommand) call(ctx context.Context, name string, in, out any) error {
	if c.settings == nil {
		s, err := c.loadData(*c.settingFlags)
		if err != nil {
			return err
		}
		c.settings = &s
	}
	err := c.operate(ctx, *c.settings, func(instance control.Caller) error { return instance.Call(ctx, name, in, out) })
	return spoken(err)
}

// spoken is an error as a person reads it, without the code in front that logs want.
func spoken(err error) error {
	var e *or3cloud.Error
	if errors.As(err, &e) && e.Cause == nil {
		return errors.New(e.Message)
	}
	return err
}

// print writes an answer, as JSON or in words.
func (c *userCommand) print(answer any, words func(io.Writer)) error {
	if !c.json {
		words(c.stdout)
		return nil
	}
	e := json.NewEncoder(c.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}

func (a app) userAdd(flags *settingFlags) *cobra.Command {
	var in addInput
	var byLink bool
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Create an account",
		Long: "Create an account. It needs no invite, whatever the registration mode says. The password is asked for at the terminal, twice and\n" +
			"unseen, or read from standard input. With --reset-link the person chooses it: a link is printed that works once, for 30 minutes.",
		Example: "  or3-cloud user add ann@example.org --name Ann\n  or3-cloud user add ann@example.org --reset-link\n  or3-cloud user add ann@example.org < password.txt",
	}
	cmd.Flags().StringVar(&in.DisplayName, "name", "", "display name")
	cmd.Flags().BoolVar(&byLink, "reset-link", false, "print a link with which the person chooses the password, instead of asking for one")
	return a.newUserCommand(flags, cmd, 1, func(ctx context.Context, c *userCommand, args []string) (err error) {
		in.Email = args[0]
		if !byLink {
			if in.Password, err = c.newPassword(); err != nil {
				return err
			}
		}
		var out added
		if err := c.call(ctx, "user/add", in, &out); err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "Created the account %s (%s).\n", out.Account.Email, out.Account.ID)
			if out.Link != nil {
				out.Link.say(w, "The password is chosen here, once, until")
			}
		})
	})
}

func (l link) say(w io.Writer, intro string) {
	fmt.Fprintf(w, "%s %s:\n\n    %s\n\n", intro, moment(l.ExpiresAt), l.Link)
}

// moment is a time as operators read it.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

func (a app) userList(flags *settingFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List all accounts, the oldest first", Example: "  or3-cloud user list\n  or3-cloud user list --json"}
	return a.newUserCommand(flags, cmd, 0, func(ctx context.Context, c *userCommand, _ []string) error {
		out := accountList{Accounts: []or3cloud.Account{}}
		for page := (accountList{}); ; {
			in := accountQuery{Cursor: page.Next}
			page = accountList{}
			if err := c.call(ctx, "user/list", in, &page); err != nil {
				return err
			}
			out.Accounts = append(out.Accounts, page.Accounts...)
			if page.Next == "" {
				break
			}
		}
		return c.print(out, func(w io.Writer) {
			table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "E-MAIL\tNAME\tCREATED\tSTATE\tSECOND FACTOR\tSESSIONS\tID")
			for _, a := range out.Accounts {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", a.Email, a.DisplayName, moment(a.CreatedAt),
					either(a.Disabled, "disabled", "enabled"), secondFactor(a), a.Sessions, a.ID)
			}
			_ = table.Flush() // the terminal is gone, then
		})
	})
}

// secondFactor says whether an account has one, and if not, whether passkeys would be one that belong to another domain.
func secondFactor(a or3cloud.Account) string {
	if !a.SecondFactor && a.PasskeysElsewhere > 0 {
		return "no (passkeys of another domain)"
	}
	return either(a.SecondFactor, "yes", "no")
}

func either(when bool, yes, no string) string {
	if when {
		return yes
	}
	return no
}

func (a app) userPasswd(flags *settingFlags) *cobra.Command {
	var resetFactors, yes bool
	cmd := &cobra.Command{
		Use:   "passwd EMAIL",
		Short: "Set a new password, or remove a lost second factor",
		Long: "Set a new password and end all sessions. It is asked for at the terminal, twice and unseen, or read from standard input. Better is\n" +
			"or3-cloud user reset-link, with which nobody but its owner learns the password.\n\n" +
			"With --reset-factors no password is asked for: authenticator app, passkeys and recovery codes are removed and all sessions end, for\n" +
			"somebody who has lost them all. Be sure who asks: from then on the password alone opens the account.",
		Example: "  or3-cloud user passwd ann@example.org\n  or3-cloud user passwd ann@example.org --reset-factors",
	}
	cmd.Flags().BoolVar(&resetFactors, "reset-factors", false, "remove authenticator app, passkeys and recovery codes, and keep the password")
	bindYes(cmd, &yes)
	return a.newUserCommand(flags, cmd, 1, func(ctx context.Context, c *userCommand, args []string) error {
		if resetFactors {
			fmt.Fprintf(c.stderr, "Authenticator app, passkeys and recovery codes of %s are removed for good, and all sessions end.\n", args[0])
			if err := c.confirm(yes, "Remove them"); err != nil {
				return err
			}
			return c.act(ctx, "user/reset-factors", accountName{args[0]}, "The second factors of %s are removed and all sessions ended.\n", args[0])
		}
		password, err := c.newPassword()
		if err != nil {
			return err
		}
		return c.act(ctx, "user/passwd", passwordInput{args[0], password}, "The password of %s is changed and all sessions are ended.\n", args[0])
	})
}

// act runs a command that answers nothing but that it is done.
func (c *userCommand) act(ctx context.Context, name string, in any, format string, args ...any) error {
	var out done
	if err := c.call(ctx, name, in, &out); err != nil {
		return err
	}
	return c.print(out, func(w io.Writer) { fmt.Fprintf(w, format, args...) })
}

func (a app) userResetLink(flags *settingFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset-link EMAIL",
		Short: "Print a link with which the owner chooses a new password",
		Long: "Print a link with which the owner of an account chooses a new password. It works once, for 30 minutes, and not after another change of\n" +
			"the password. Hand it over by a way that you trust: whoever has the link has the account, but for a second factor, which is asked for\n" +
			"as ever. Links begin with OR3_PUBLIC_URL.",
		Example: "  or3-cloud user reset-link ann@example.org",
	}
	return a.newUserCommand(flags, cmd, 1, func(ctx context.Context, c *userCommand, args []string) error {
		var out link
		if err := c.call(ctx, "user/reset-link", accountName{args[0]}, &out); err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			out.say(w, fmt.Sprintf("A new password for %s is chosen here, once, until", args[0]))
		})
	})
}

func (a app) userDisable(flags *settingFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "disable EMAIL",
		Short: "Switch an account off: nobody can sign in to it, and its sessions end",
		Long: "Switch an account off. Its sessions end at once and nobody can sign in to it until or3-cloud user enable. Its data stays; people who share\n" +
			"workspaces with it go on.",
		Example: "  or3-cloud user disable ann@example.org",
	}
	bindYes(cmd, &yes)
	return a.newUserCommand(flags, cmd, 1, func(ctx context.Context, c *userCommand, args []string) error {
		if err := c.confirmSessions(ctx, args[0], "", yes); err != nil {
			return err
		}
		return c.act(ctx, "user/disable", accountName{args[0]}, "The account %s is switched off and its sessions are ended.\n", args[0])
	})
}

func (a app) userEnable(flags *settingFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "enable EMAIL", Short: "Switch an account on again", Example: "  or3-cloud user enable ann@example.org"}
	return a.newUserCommand(flags, cmd, 1, func(ctx context.Context, c *userCommand, args []string) error {
		return c.act(ctx, "user/enable", accountName{args[0]}, "The account %s is switched on.\n", args[0])
	})
}

func (a app) userSessions(flags *settingFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "sessions EMAIL", Short: "List the browsers that are signed in, the one used last first",
		Example: "  or3-cloud user sessions ann@example.org"}
	return a.newUserCommand(flags, cmd, 1, func(ctx context.Context, c *userCommand, args []string) error {
		var out sessionList
		if err := c.call(ctx, "user/sessions", accountName{args[0]}, &out); err != nil {
			return err
		}
		return c.print(out, out.say)
	})
}

func (a app) userRevoke(flags *settingFlags) *cobra.Command {
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
	bindYes(cmd, &yes)
	return a.newUserCommand(flags, cmd, 1, func(ctx context.Context, c *userCommand, args []string) error {
		if all == (session != "") {
			return usageError{errors.New("say which sessions: --session ID or --all")}
		}
		if err := c.confirmSessions(ctx, args[0], session, yes); err != nil {
			return err
		}
		var out revoked
		if err := c.call(ctx, "user/revoke", revokeInput{args[0], session}, &out); err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { fmt.Fprintf(w, "Sessions of %s that were ended: %d.\n", args[0], out.Revoked) })
	})
}

// confirmSessions shows at a terminal the sessions that are going to end, one or all, and asks.
func (c *userCommand) confirmSessions(ctx context.Context, name, session string, yes bool) error {
	if yes || !c.isTerminal() {
		return nil
	}
	var live sessionList
	if err := c.call(ctx, "user/sessions", accountName{name}, &live); err != nil {
		return err
	}
	if session != "" {
		live.Sessions = slices.DeleteFunc(live.Sessions, func(s or3cloud.AccountSession) bool { return s.ID != session })
	}
	fmt.Fprintf(c.stderr, "Sessions of %s that end: %d\n", name, len(live.Sessions))
	live.say(c.stderr)
	return c.confirm(yes, "End them")
}

// say prints sessions as a table.
func (l sessionList) say(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSIGNED IN\tLAST SEEN\tADDRESS\tBROWSER")
	for _, s := range l.Sessions {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.ID, moment(s.CreatedAt), moment(s.LastSeenAt), s.IPAddress, s.UserAgent)
	}
	_ = table.Flush() // the terminal is gone, then
}

func (a app) userDelete(flags *settingFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete EMAIL",
		Short: "Delete an account for good, with the workspaces that nobody else uses",
		Long: "Delete an account for good. What happens to its workspaces is shown first, with their files and sizes: those that nobody else is in are\n" +
			"deleted, the others stay with their other members. A workspace that others use must have another owner before. Then the command asks;\n" +
			"without a terminal it deletes nothing unless --yes is given.",
		Example: "  or3-cloud user delete ann@example.org\n  or3-cloud user delete ann@example.org --yes",
	}
	bindYes(cmd, &yes)
	return a.newUserCommand(flags, cmd, 1, func(ctx context.Context, c *userCommand, args []string) error {
		return c.delete(ctx, args[0], yes)
	})
}

func (c *userCommand) delete(ctx context.Context, name string, yes bool) error {
	var what removal
	if err := c.call(ctx, "user/removal", accountName{name}, &what); err != nil {
		return err
	}
	what.say(c.stderr)
	if !yes {
		if !c.isTerminal() {
			return usageError{errors.New("nothing was deleted; add --yes, because there is no terminal to ask at")}
		}
		answer, err := c.answer("Delete " + what.Account.Email + " for good? Type yes: ")
		if err != nil {
			return err
		}
		if answer != "yes" {
			return errors.New("nothing was deleted")
		}
	}
	return c.act(ctx, "user/delete", accountName{what.Account.ID}, "The account %s is deleted.\n", what.Account.Email)
}

// say tells what deleting an account would do.
func (r removal) say(w io.Writer) {
	fmt.Fprintf(w, "The account %s (%s), made %s, with %d sessions, is deleted for good. Workspaces that it is a member of: %d\n",
		r.Account.Email, r.Account.ID, moment(r.Account.CreatedAt), r.Account.Sessions, len(r.Workspaces))
	for _, ws := range r.Workspaces {
		fate := map[or3cloud.Fate]string{
			or3cloud.FateDeleted: "is deleted: nobody else is in it",
			or3cloud.FateLeft:    "stays with its %d other members",
			or3cloud.FateBlocked: "stands in the way: %d others use it and none of them owns it",
		}[ws.Fate]
		if ws.Fate != or3cloud.FateDeleted {
			fate = fmt.Sprintf(fate, ws.Members)
		}
		if ws.Stored != nil {
			fate += fmt.Sprintf("; files: %d, %s", ws.Stored.Files, humanBytes(ws.Stored.Bytes))
		}
		if !ws.FilesKeptUntil.IsZero() {
			fate += "; files are kept until " + moment(ws.FilesKeptUntil) + ", then erased"
		}
		fmt.Fprintf(w, "  %q (%s) %s\n", ws.Name, ws.ID, fate)
	}
}

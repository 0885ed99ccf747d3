// Package shown prints accounts, sessions and administrators on the command line.
package shown

import (
	"fmt"
	"io"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
)

// Moment is a time in the form for operators.
func Moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

// Accounts prints accounts as a table.
func Accounts(w io.Writer, accounts []or3cloud.Account) {
	table := console.NewTable(w, "E-MAIL", "NAME", "CREATED", "STATE", "SECOND FACTOR", "SESSIONS", "ID")
	for _, a := range accounts {
		table.Row(a.Email, a.DisplayName, Moment(a.CreatedAt),
			either(a.Disabled, "disabled", "enabled"), secondFactor(a), a.Sessions, a.ID)
	}
	_ = table.Flush() // the terminal is gone
}

// secondFactor says whether an account has one, and if not, whether its passkeys belong to another domain.
func secondFactor(a or3cloud.Account) string {
	if !a.SecondFactor && a.PasskeysElsewhere > 0 {
		return "no (passkeys of another domain)"
	}
	if !a.SecondFactorDue.IsZero() {
		return "no, due " + Moment(a.SecondFactorDue)
	}
	return either(a.SecondFactor, "yes", "no")
}

func either(when bool, yes, no string) string {
	if when {
		return yes
	}
	return no
}

// Admins prints deployment administrators as a table.
func Admins(w io.Writer, admins []operator.Admin) {
	table := console.NewTable(w, "E-MAIL", "NAME", "GRANTED", "ACCOUNT", "ID")
	for _, a := range admins {
		table.Row(a.Email, a.DisplayName, Moment(a.GrantedAt), a.State, a.UserID)
	}
	_ = table.Flush() // the terminal is gone
}

// Sessions prints sessions as a table.
func Sessions(w io.Writer, sessions []or3cloud.AccountSession) {
	table := console.NewTable(w, "ID", "SIGNED IN", "LAST SEEN", "ADDRESS", "BROWSER")
	for _, s := range sessions {
		table.Row(s.ID, Moment(s.CreatedAt), Moment(s.LastSeenAt), s.IPAddress, s.UserAgent)
	}
	_ = table.Flush() // the terminal is gone
}

// Deletion says what deleting an account would do.
func Deletion(w io.Writer, r operator.Deletion) {
	fmt.Fprintf(w, "The account %s (%s), created %s, with %d sessions, will be deleted permanently. Workspaces that it is a member of: %d\n",
		r.Account.Email, r.Account.ID, Moment(r.Account.CreatedAt), r.Account.Sessions, len(r.Workspaces))
	for _, ws := range r.Workspaces {
		fate := map[or3cloud.Fate]string{
			or3cloud.FateDeleted: "is deleted: it has no other members",
			or3cloud.FateLeft:    "stays with its %d other members",
			or3cloud.FateBlocked: "prevents this: %d others use it, but none of them owns it",
		}[ws.Fate]
		if ws.Fate != or3cloud.FateDeleted {
			fate = fmt.Sprintf(fate, ws.Members)
		}
		if ws.Stored != nil {
			fate += fmt.Sprintf("; files: %d, %s", ws.Stored.Files, console.Bytes(ws.Stored.Bytes))
		}
		if !ws.FilesKeptUntil.IsZero() {
			fate += "; files are kept until " + Moment(ws.FilesKeptUntil) + ", then erased"
		}
		fmt.Fprintf(w, "  %q (%s) %s\n", ws.Name, ws.ID, fate)
	}
}

package letters

import "or3.chat/cloud/internal/mail"

// All texts of letters are in this file.

const (
	wordWhen       = "When"
	wordBy         = "By"
	wordOperator   = "the operator of the server"
	wordDevice     = "Device"
	wordAddress    = "Address"
	wordTimeFormat = "2 January 2006, 15:04 UTC"
	wordServer     = "Server"

	wordNotMe    = "If this was you, there is nothing to do. If not, set a new password at once and end all other sessions in your account settings."
	wordIgnore   = "If you did not ask for this, ignore this message: nothing changes."
	wordLifetime = "The link works once, within 30 minutes."
)

// noticeWords are a notice's subject and text.
type noticeWords struct {
	subject, text string
	// detail is the name of the fact that comes with the notice, if there is one.
	detail string
	// closing is what to do; wordNotMe if empty.
	closing string
}

// wordsOf returns the words of a notice.
func wordsOf(kind Notice) noticeWords {
	switch kind {
	case NoticeNewSignIn:
		return noticeWords{subject: "New sign-in to your account", text: "Someone signed in to your account from a device or network that you have not used before."}
	case NoticeSignInFailures:
		return noticeWords{
			subject: "Many failed sign-ins to your account",
			text:    "Someone tried to sign in to your account with wrong passwords, many times within an hour. None of these attempts succeeded. The last one:",
			closing: "You do not need to do anything. A long password that you use nowhere else, and a second factor, keep your account safe.",
		}
	case NoticePasswordChanged:
		return noticeWords{subject: "Your password was changed", text: "The password of your account was changed. All other sessions have ended."}
	case NoticePasswordReset:
		return noticeWords{subject: "Your password was reset", text: "Someone set a new password for your account with a password reset link. All sessions have ended."}
	case NoticeEmailAsked:
		return noticeWords{
			subject: "A new e-mail address was requested",
			text:    "Someone who is signed in to your account wants to change its e-mail address. Nothing changes until the new address is confirmed.",
			detail:  "New address",
		}
	case NoticeEmailChanged:
		return noticeWords{
			subject: "Your e-mail address was changed", text: "Your account has a new e-mail address. Messages about it no longer go to this one.", detail: "New address",
			closing: "If this was not you, ask the operator of the server for help at once.",
		}
	case NoticeTOTPEnabled:
		return noticeWords{subject: "An authenticator app was set up", text: "Sign-ins to your account now need a code from an authenticator app."}
	case NoticeTOTPRemoved:
		return noticeWords{subject: "The authenticator app was removed", text: "Sign-ins to your account no longer need a code from an authenticator app."}
	case NoticePasskeyAdded:
		return noticeWords{subject: "A passkey was added", text: "A passkey was added to your account. Anyone who has it can sign in.", detail: "Passkey"}
	case NoticePasskeyRemoved:
		return noticeWords{subject: "A passkey was removed", text: "A passkey was removed from your account.", detail: "Passkey"}
	case NoticePasskeysElsewhere:
		return noticeWords{
			subject: "Your passkeys are no longer asked for",
			text: "Someone signed in to your account with its password alone. Your passkeys were not asked for: they belong to an address that this server had " +
				"before, and do not work at its current one.",
			detail:  "Passkeys for",
			closing: "Sign in and add a passkey or an authenticator app; then the password alone is no longer enough. If this was not you, set a new password at once.",
		}
	case NoticeRecoveryRenewed:
		return noticeWords{subject: "New recovery codes", text: "New recovery codes were made for your account. The old ones no longer work."}
	case NoticeRecoveryUsed:
		return noticeWords{subject: "A recovery code was used", text: "A recovery code was used in place of a second factor. It will not work again."}
	case NoticeFactorsReset:
		return noticeWords{subject: "Your second factors were removed", text: "The authenticator app, the passkeys and the recovery codes of your account were removed. Its password alone is now enough to sign in."}
	case NoticeDisabled:
		return noticeWords{
			subject: "Your account was switched off", text: "Your account was switched off, and all of its sessions have ended.",
			closing: "If you do not know why, ask the operator of the server.",
		}
	}
	panic("a notice without a text: " + string(kind))
}

// NoticeLetter writes a notice. It links to nothing but the server itself.
func NoticeLetter(kind Notice, by Occasion, detail, publicURL string) mail.Letter {
	w := wordsOf(kind)
	l := mail.Letter{Subject: w.subject, Paragraphs: []string{w.text}, Facts: by.facts(), Closing: []string{w.closing}}
	if w.closing == "" {
		l.Closing[0] = wordNotMe
	}
	if w.detail != "" && detail != "" {
		l.Facts = append([]mail.Fact{{Name: w.detail, Value: detail}}, l.Facts...)
	}
	if publicURL != "" {
		l.Facts = append(l.Facts, mail.Fact{Name: wordServer, Value: publicURL})
	}
	return l
}

// ResetLetter brings the link for a forgotten password.
func ResetLetter(link string, by Occasion) mail.Letter {
	return mail.Letter{
		Subject:    "Set a new password",
		Paragraphs: []string{"Someone, hopefully you, asked for a new password for your account. You can set it with this link:"},
		Facts:      by.facts(),
		Action:     &mail.Action{Label: "Set a new password", URL: link},
		Closing:    []string{wordLifetime, wordIgnore},
	}
}

// ConfirmLetter brings the link that confirms a new address.
func ConfirmLetter(link string, by Occasion) mail.Letter {
	return mail.Letter{
		Subject:    "Confirm your e-mail address",
		Paragraphs: []string{"Someone entered this address as the new e-mail address of their account. Confirm that it is yours:"},
		Facts:      by.facts(),
		Action:     &mail.Action{Label: "Confirm this address", URL: link},
		Closing:    []string{wordLifetime, wordIgnore},
	}
}

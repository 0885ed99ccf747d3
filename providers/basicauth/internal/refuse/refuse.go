// Package refuse has the refusals of the endpoints. Each has a code for machines, which pages put into words of their
// language (docs/accounts-api.md, "Errors").
package refuse

import (
	"maps"
	"time"

	or3cloud "or3.chat/cloud"
)

// With is an error with a code for machines in its data (docs/accounts-api.md, "Errors"). extra adds members to it.
func With(status or3cloud.Code, code, message string, extra map[string]any) *or3cloud.Error {
	data := map[string]any{"code": code}
	maps.Copy(data, extra)
	return &or3cloud.Error{Code: status, Message: message, Data: data}
}

// NoPasskeys answers for a host at which browsers know no passkeys.
func NoPasskeys() error {
	return With(or3cloud.CodeInvalid, "invalid_request", "Passkeys need a host name and HTTPS.", nil)
}

// EmailTaken answers for an address that another account has.
func EmailTaken() error {
	return With(or3cloud.CodeConflict, "email_taken", "Another account has this e-mail address.", map[string]any{"field": "email"})
}

// NoMail answers for what needs a mail server, on a server without one.
func NoMail() error {
	return With(or3cloud.CodeUnsupported, "mail_not_configured", "This server sends no mail. Ask its operator for a link.", nil)
}

// Invalid answers for a body that no page sends.
func Invalid() error {
	return With(or3cloud.CodeInvalid, "invalid_request", "Invalid request", nil)
}

// Credentials answers for a wrong password, or one of no account.
func Credentials() error {
	return With(or3cloud.CodeUnauthenticated, "invalid_credentials", "Invalid credentials", nil)
}

// Expired answers for whoever is signed out.
func Expired() error {
	return With(or3cloud.CodeUnauthenticated, "session_expired", "Session expired", nil)
}

// Token answers for a one-time token that is good for nothing.
func Token() error {
	return With(or3cloud.CodeInvalid, "invalid_token", "This link has been used, has expired or is not valid.", nil)
}

// Disabled answers for an account that the operator has switched off.
func Disabled() error {
	return With(or3cloud.CodeForbidden, "account_disabled", "This account is switched off. Please contact an administrator.", nil)
}

// RateLimited answers for a budget that is used up, and says when there is some again.
func RateLimited(retryAfter time.Duration) error {
	e := With(or3cloud.CodeRateLimited, "rate_limited", "Too many requests", nil)
	e.RetryAfter = retryAfter
	return e
}

// RegistrationDisabled answers where no one can register.
func RegistrationDisabled() error {
	return With(or3cloud.CodeForbidden, "registration_disabled", "Registration is currently disabled. Please contact an administrator.", nil)
}

// Setup answers for a set-up link that is good for nothing.
func Setup() error {
	return With(or3cloud.CodeForbidden, "setup_invalid", "This set-up link has been used, has been replaced by a newer one or is not complete.", nil)
}

// InviteRequired answers where one needs an invite to register.
func InviteRequired() error {
	return With(or3cloud.CodeForbidden, "invite_required", "A valid invite is required to register.", nil)
}

// Code answers for a wrong code; extra adds members to the data.
func Code(extra map[string]any) error {
	return With(or3cloud.CodeUnauthenticated, "invalid_code", "The code is wrong or has been used.", extra)
}

// Field is an answer about one malformed field.
func Field(code, field, message string) error {
	return With(or3cloud.CodeInvalid, code, message, map[string]any{"field": field})
}

// Email answers for a text that is no e-mail address.
func Email() error { return Field("invalid_email", "email", "Enter a valid email address.") }

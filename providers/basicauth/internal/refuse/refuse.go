// Package refuse has the refusals of the endpoints. Each has a code for machines, which pages translate into the
// language of their user (docs/accounts-api.md, "Errors").
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

// NoPasskeys is the refusal at a host where browsers support no passkeys.
func NoPasskeys() error {
	return With(or3cloud.CodeInvalid, "invalid_request", "Passkeys need a host name and HTTPS.", nil)
}

// EmailTaken is the refusal of an address that another account has.
func EmailTaken() error {
	return With(or3cloud.CodeConflict, "email_taken", "Another account has this e-mail address.", map[string]any{"field": "email"})
}

// NoMail is the refusal of something that needs a mail server, on a server without one.
func NoMail() error {
	return With(or3cloud.CodeUnsupported, "mail_not_configured", "This server sends no mail. Ask its operator for a link.", nil)
}

// Invalid is the refusal of a body that no page sends.
func Invalid() error {
	return With(or3cloud.CodeInvalid, "invalid_request", "Invalid request", nil)
}

// Credentials is the refusal of a wrong password, or one for an account that does not exist.
func Credentials() error {
	return With(or3cloud.CodeUnauthenticated, "invalid_credentials", "Invalid credentials", nil)
}

// Expired is the refusal for someone who is signed out.
func Expired() error {
	return With(or3cloud.CodeUnauthenticated, "session_expired", "Session expired", nil)
}

// Token is the refusal of a one-time token that is not valid.
func Token() error {
	return With(or3cloud.CodeInvalid, "invalid_token", "This link has been used, has expired or is not valid.", nil)
}

// Disabled is the refusal for an account that the operator has switched off.
func Disabled() error {
	return With(or3cloud.CodeForbidden, "account_disabled", "This account is switched off. Please contact an administrator.", nil)
}

// RateLimited is the refusal when a budget is used up; it says when to try again.
func RateLimited(retryAfter time.Duration) error {
	e := With(or3cloud.CodeRateLimited, "rate_limited", "Too many requests", nil)
	e.RetryAfter = retryAfter
	return e
}

// RegistrationDisabled is the refusal where no one can register.
func RegistrationDisabled() error {
	return With(or3cloud.CodeForbidden, "registration_disabled", "Registration is currently disabled. Please contact an administrator.", nil)
}

// Setup is the refusal of a setup link that is not valid.
func Setup() error {
	return With(or3cloud.CodeForbidden, "setup_invalid", "This set-up link has been used, has been replaced by a newer one or is not complete.", nil)
}

// InviteRequired is the refusal where registering needs an invite.
func InviteRequired() error {
	return With(or3cloud.CodeForbidden, "invite_required", "A valid invite is required to register.", nil)
}

// Code is the refusal of a wrong code; extra adds members to the data.
func Code(extra map[string]any) error {
	return With(or3cloud.CodeUnauthenticated, "invalid_code", "The code is wrong or has been used.", extra)
}

// Field is the refusal of one malformed field.
func Field(code, field, message string) error {
	return With(or3cloud.CodeInvalid, code, message, map[string]any{"field": field})
}

// Email is the refusal of a text that is not an e-mail address.
func Email() error { return Field("invalid_email", "email", "Enter a valid email address.") }

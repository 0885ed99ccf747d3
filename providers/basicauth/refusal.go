package basicauth

import (
	"maps"
	"time"

	or3cloud "or3.chat/cloud"
)

// refuse is an error with a code for machines in its data (docs/accounts-api.md, "Errors"). extra adds members to it.
func refuse(status or3cloud.Code, code, message string, extra map[string]any) *or3cloud.Error {
	data := map[string]any{"code": code}
	maps.Copy(data, extra)
	return &or3cloud.Error{Code: status, Message: message, Data: data}
}

func errInvalid() error {
	return refuse(or3cloud.CodeInvalid, "invalid_request", "Invalid request", nil)
}

func errCredentials() error {
	return refuse(or3cloud.CodeUnauthenticated, "invalid_credentials", "Invalid credentials", nil)
}

func errExpired() error {
	return refuse(or3cloud.CodeUnauthenticated, "session_expired", "Session expired", nil)
}

func errToken() error {
	return refuse(or3cloud.CodeInvalid, "invalid_token", "This link has been used, has expired or is not valid.", nil)
}

func errDisabled() error {
	return refuse(or3cloud.CodeForbidden, "account_disabled", "This account is switched off. Please contact an administrator.", nil)
}

func errRateLimited(retryAfter time.Duration) error {
	e := refuse(or3cloud.CodeRateLimited, "rate_limited", "Too many requests", nil)
	e.RetryAfter = retryAfter
	return e
}

func errRegistrationDisabled() error {
	return refuse(or3cloud.CodeForbidden, "registration_disabled", "Registration is currently disabled. Please contact an administrator.", nil)
}

func errSetup() error {
	return refuse(or3cloud.CodeForbidden, "setup_invalid", "This set-up link has been used, has been replaced by a newer one or is not complete.", nil)
}

func errInviteRequired() error {
	return refuse(or3cloud.CodeForbidden, "invite_required", "A valid invite is required to register.", nil)
}

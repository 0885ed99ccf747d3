package factors

import (
	"context"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// A passkey belongs to the domain at which it was made, and browsers use it there and below it only (WebAuthn §5.1.2).
// So a change of OR3_PUBLIC_URL leaves passkeys behind that no one can use any more. They are not demanded until the
// domain comes back. Only the configured domain decides that: if the host of a request did, someone who knows a
// password could avoid the second factor by reaching the server under another name.

// OtherDomain returns the domain of a passkey that does not work at the configured one, and "" if it works or its
// domain is not known.
func (f *Factors) OtherDomain(rpID string) string {
	if f.opts.PublicHost == "" || rpID == "" || usableAt(f.opts.PublicHost, rpID) {
		return ""
	}
	return rpID
}

// usableAt reports whether pages of a host may use passkeys of a domain: their own, or one above it. Browsers accept no
// top-level domain here.
func usableAt(host, rpID string) bool {
	return host == rpID || strings.Contains(rpID, ".") && strings.HasSuffix(host, "."+rpID)
}

// belongsTo reports whether a passkey belongs to a domain, or to an unknown one.
func belongsTo(row db.Passkey, rpID string) bool { return !row.RpID.Valid || row.RpID.String == rpID }

// domainToAsk returns the one domain whose passkeys a page of a host can best ask for, and "" if there are none: the
// host itself, or the nearest above it.
func domainToAsk(host string, rows []db.Passkey) (rpID string) {
	for _, row := range rows {
		if belongsTo(row, host) {
			return host
		}
		if of := row.RpID.String; usableAt(host, of) && len(of) > len(rpID) {
			rpID = of
		}
	}
	return rpID
}

// otherDomains returns the domains of the passkeys that do not work here, each once.
func (f Set) otherDomains() (domains []string) {
	for _, key := range f.Passkeys {
		if key.OtherDomain != "" {
			domains = append(domains, key.OtherDomain)
		}
	}
	slices.Sort(domains)
	return slices.Compact(domains)
}

// tellOfPasskeysElsewhere tells the owner, after a sign-in with the password alone, that passkeys would have been
// demanded if they did not belong to another domain; by mail once a day at most.
func (f *Factors) tellOfPasskeysElsewhere(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, domains []string) error {
	text := strings.Join(domains, ", ")
	if err := f.guard.Record(ctx, q, r, a.ID, guard.EventPasskeysElsewhere, text); err != nil {
		return err
	}
	if !f.guard.Limits.Take("notice:passkeys:"+a.ID, ratelimit.Limit{Max: 1, Window: guard.LongestWindow}).Allowed {
		return nil
	}
	return f.letters.Notify(ctx, q, r, a, letters.NoticePasskeysElsewhere, text)
}

// PasskeysElsewhere returns how many passkeys of each account do not work here, and the domains that they belong to.
func (f *Factors) PasskeysElsewhere(ctx context.Context) (counts map[string]int, domains []string, err error) {
	rows, err := f.store.Read.PasskeyDomains(ctx)
	counts = map[string]int{}
	for _, row := range rows {
		if of := f.OtherDomain(row.RpID.String); of != "" {
			counts[row.AccountID]++
			domains = append(domains, of)
		}
	}
	slices.Sort(domains)
	return counts, slices.Compact(domains), err
}

package basicauth

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/secret"
)

func TestRecoveryCodes(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	_, codes := b.enrol()
	if len(codes) != factors.RecoveryCodes {
		t.Fatalf("%d codes", len(codes))
	}
	form := regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{6}-){3}[0-9A-HJKMNP-TV-Z]{6}$`)
	seen := map[string]bool{}
	for _, code := range codes {
		if !form.MatchString(code) || seen[code] {
			t.Errorf("code %q", code)
		}
		seen[code] = true
	}
	enter := func(code string) answer {
		in.clock.advance(time.Minute)
		other := in.browser()
		return other.post("second-factor", body("challenge", other.challenge(ann), "recoveryCode", code))
	}
	// However it was copied from paper.
	for i, copied := range []func(string) string{
		func(s string) string { return s },
		strings.ToLower,
		func(s string) string { return strings.ReplaceAll(s, "-", "") },
		func(s string) string { return "  " + strings.ReplaceAll(s, "-", " ") + "\t" },
		func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "0", "o"), "1", "l") },
	} {
		enter(copied(codes[i])).want(t, 200, `{"ok":true}`)
		enter(codes[i]).wantCode(t, 401, "invalid_code") // once
		if left := in.factors(b).RecoveryCodesLeft; left != int64(factors.RecoveryCodes-1-i) {
			t.Errorf("%d codes are left", left)
		}
	}
	enter("").wantCode(t, 400, "invalid_request")
	enter("------").wantCode(t, 401, "invalid_code")
	enter(codes[5][:20]).wantCode(t, 401, "invalid_code")

	in.clock.advance(-9 * time.Minute) // the proof of the first session is still fresh
	b = in.browser()
	b.post("second-factor", body("challenge", b.challenge(ann), "recoveryCode", codes[5])).want(t, 200, `{"ok":true}`)
	var renewed struct{ RecoveryCodes []string }
	b.post("recovery-codes", "{}").decode(t, &renewed)
	in.clock.advance(time.Hour)
	enter(codes[6]).wantCode(t, 401, "invalid_code")
	enter(renewed.RecoveryCodes[0]).want(t, 200, `{"ok":true}`)
}

func TestRecoveryCodesComeWithTheFirstFactorAndGoWithTheLast(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	b.post("recovery-codes", "{}").wantCode(t, 400, "invalid_request")
	_, first := b.enrol()
	d := newAuthenticator(in)
	var added factorAdded
	d.register(b, "key").decode(t, &added)
	if len(first) != factors.RecoveryCodes || added.RecoveryCodes != nil {
		t.Errorf("%d codes with the first factor, %d with the second", len(first), len(added.RecoveryCodes))
	}
	b.post("totp/remove", "{}").want(t, 200, `{"ok":true}`)
	if left := in.factors(b).RecoveryCodesLeft; left != factors.RecoveryCodes {
		t.Errorf("%d codes are left with one factor", left)
	}
	b.post("passkeys/remove", body("id", d.id())).want(t, 200, `{"ok":true}`)
	if left := in.factors(b).RecoveryCodesLeft; left != 0 {
		t.Errorf("%d codes are left without a factor", left)
	}
	_, again := b.enrol()
	if len(again) != factors.RecoveryCodes {
		t.Errorf("%d codes", len(again))
	}
}

func TestRecoveryCodesAreKeptAsDigests(t *testing.T) {
	in := openTest(t, nil)
	_, codes := in.signedIn(ann).enrol()
	rows, err := in.p.store.File.Read.QueryContext(t.Context(), "SELECT fingerprint FROM recovery_codes")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	digests := map[string]bool{}
	for rows.Next() {
		var digest string
		if err := rows.Scan(&digest); err != nil {
			t.Fatal(err)
		}
		digests[digest] = true
	}
	if len(digests) != factors.RecoveryCodes {
		t.Errorf("%d digests", len(digests))
	}
	for _, code := range codes {
		if !digests[secret.Fingerprint(strings.ReplaceAll(code, "-", ""))] {
			t.Errorf("the digest of a code is missing")
		}
	}
}

func FuzzPlainRecoveryCode(f *testing.F) {
	for _, text := range []string{"", "7Q2K9M-XT4B8R", "oil", " – ", "\u2028\ufeff", "ß\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		plain := factors.PlainRecoveryCode(typed)
		if factors.PlainRecoveryCode(plain) != plain || strings.ContainsAny(plain, " -\t\nOIL") {
			t.Errorf("%q becomes %q", typed, plain)
		}
	})
}

package or3cloud_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// constantTime lists where a secret is compared with input from a request, and how often. Each comparison must take the
// same time wherever the two differ.
var constantTime = map[string]int{
	"internal/invite/invite.go":                      1, // the signature of an invite
	"engine/engine.go":                               1, // the secret of an engine on a loopback address
	"examples/provider/household/household.go":       2, // the proof in a cookie, and the household's key
	"examples/provider/portal/portal.go":             1, // the proof in a cookie
	"internal/metrics/metrics.go":                    1, // the token of a monitoring system
	"internal/passwd/passwd.go":                      1, // a password hash; bcrypt compares its own
	"internal/superadmin/superadmin.go":              1, // names, passwords and sessions of the super administrator
	"internal/signed/signed.go":                      1, // the signature of a token
	"providers/basicauth/internal/accounts/setup.go": 1, // the setup link
	"providers/sqlite/internal/jobs/handoffs.go":     1, // who owns a tool call
}

// secretName matches the names of values that must not leak through the time a comparison takes, and digestName those
// of values derived from them. Outside secretKeepers, digests are those of files and rows.
var (
	secretName = words("secret", "password", "passphrase", "token", "bearer", "mac", "hmac", "signature", "cookie", "challenge", "nonce", "apiKey")
	digestName = words("hash", "digest", "sum", "fingerprint", "print")

	secretKeepers = regexp.MustCompile(`^(providers/basicauth|internal/(signed|invite|passwd|control|superadmin)|host|engine)/`)
)

// words matches names that end with one of the given words.
func words(names ...string) *regexp.Regexp {
	var ends []string
	for _, n := range names {
		ends = append(ends, "^"+n, strings.ToUpper(n[:1])+n[1:])
	}
	return regexp.MustCompile(`(` + strings.Join(ends, "|") + `)s?[0-9]*$`)
}

// plainly lists comparisons of such names that leak nothing, with the reason.
var plainly = map[string]string{
	"internal/superadmin/superadmin.go: now.Hash != c.Hash":                       "whether the hash was made again",
	"program/console/console.go: password != again":                               "what one person has typed twice",
	"providers/basicauth/internal/form/form.go: f[confirm] != password":           "what one person has typed twice",
	"internal/config/catalogue.go: first.Secret != s.Secret":                      "whether a setting is secret",
	"internal/signed/signed.go: base64.RawURLEncoding.EncodeToString(b) != token": "one spelling of what was brought",
	"providers/basicauth/internal/sessions/session.go: c.Name == AccessCookie":    "the name of a cookie",
	"providers/basicauth/signin.go: hash != a.PasswordHash":                       "whether the hash was made again",
	"providers/basicauth/signin.go: hash != verified.PasswordHash":                "whether the hash was made again",
}

// Secrets must be compared in constant time (docs/asvs.md). The compiler cannot check that, so this test checks names
// and places.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	found, used := map[string]int{}, map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		path = filepath.ToSlash(path)
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "bench/") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && (calls(call, "subtle", "ConstantTimeCompare") || calls(call, "hmac", "Equal")) {
				found[path]++
			}
			if !comparesSecret(n, secretKeepers.MatchString(path)) {
				return true
			}
			var text bytes.Buffer
			if err := printer.Fprint(&text, set, n); err != nil {
				t.Fatal(err)
			}
			where := path + ": " + text.String()
			if plainly[where] == "" {
				t.Errorf("%v: %s: compare secrets with subtle.ConstantTimeCompare or hmac.Equal", set.Position(n.Pos()), where)
			}
			used[where] = true
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, n := range constantTime {
		if found[path] != n {
			t.Errorf("%s: %d comparisons in constant time, want %d", path, found[path], n)
		}
	}
	for path := range found {
		if constantTime[path] == 0 {
			t.Errorf("%s compares in constant time and is not listed", path)
		}
	}
	for where := range plainly {
		if !used[where] {
			t.Errorf("%s: there is no such comparison any more", where)
		}
	}
}

// comparesSecret reports whether n compares two values, one of which has the name of a secret, in a time that depends
// on where they differ. A comparison with a literal leaks nothing.
func comparesSecret(n ast.Node, keeper bool) bool {
	var sides []ast.Expr
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op != token.EQL && n.Op != token.NEQ {
			return false
		}
		sides = []ast.Expr{n.X, n.Y}
	case *ast.CallExpr:
		if !calls(n, "bytes", "Equal") && !calls(n, "bytes", "Compare") && !calls(n, "slices", "Equal") && !calls(n, "strings", "EqualFold") &&
			!calls(n, "strings", "Compare") && !calls(n, "reflect", "DeepEqual") || len(n.Args) != 2 {
			return false
		}
		sides = n.Args
	default:
		return false
	}
	secret := false
	for _, side := range sides {
		name, written := named(side)
		if written {
			return false
		}
		secret = secret || secretName.MatchString(name) || keeper && digestName.MatchString(name)
	}
	return secret
}

// named returns the name of an expression's value. written reports whether the value is a literal or constant.
func named(e ast.Expr) (name string, written bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return "", true
	case *ast.Ident:
		return e.Name, e.Name == "nil" || e.Name == "true" || e.Name == "false"
	case *ast.SelectorExpr:
		return e.Sel.Name, false
	case *ast.IndexExpr:
		return named(e.X)
	case *ast.SliceExpr:
		return named(e.X)
	case *ast.ParenExpr:
		return named(e.X)
	case *ast.StarExpr:
		return named(e.X)
	case *ast.CallExpr:
		if id, ok := e.Fun.(*ast.Ident); ok {
			if id.Name == "len" || id.Name == "cap" {
				return "", true
			}
			if len(e.Args) == 1 && id.Name == "string" {
				return named(e.Args[0])
			}
		}
		return named(e.Fun)
	}
	return "", false
}

func TestComparisonsOfSecretsAreRecognised(t *testing.T) {
	for text, want := range map[string]bool{
		"token == s.token": true, "mac != sum(k, part)": true, "bytes.Equal(sum(k, part), mac)": true, "string(s.sum) == string(sum[:])": true,
		"p.key == hash": true, "r.accessToken != given": true, "strings.EqualFold(typed, password)": true, "sum[:] == other": true,
		`token == ""`: false, "hash == nil": false, "len(mac) != size": false, "checksum == stored": false, "a == b": false, "token && mac": false,
		"hmac.Equal(sum, mac)": false,
	} {
		e, err := parser.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		if comparesSecret(e, true) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
	if e, _ := parser.ParseExpr("digest == stored"); comparesSecret(e, false) {
		t.Error("the digest of a file is not a secret")
	}
}

func calls(c *ast.CallExpr, pkg, name string) bool {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg
}

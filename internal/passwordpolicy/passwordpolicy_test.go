package passwordpolicy

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func policy(t *testing.T, min int, b *Breaches) *Policy {
	t.Helper()
	p, err := New(min, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheck(t *testing.T) {
	p := policy(t, 8, nil)
	about := []string{"ann.miller@example.org", "Annabelle Müller", "cloud.or3-test.example", "or3"}
	for password, want := range map[string]Refusal{
		"correct horse battery":     "",
		"correct horse":             "",
		"x9$Lw2#kQ":                 "",
		"пароль 🔑 длинный":          "",
		"seven77":                   TooShort,
		"🔑🔑🔑🔑":                      TooShort, // four characters, although browsers count eight units
		"":                          TooShort,
		"password":                  TooCommon,
		"PassWord":                  TooCommon,
		"p@ssw0rd":                  TooCommon,
		"ｐａｓｓｗｏｒｄ":                  TooCommon, // full width
		"password2024!":             TooCommon,
		"123-sunshine":              TooCommon,
		"sunshine 918273645546 7":   "",
		"12345678":                  TooCommon,
		"qwertzuiop":                TooCommon,
		"1qaz2wsx3edc":              TooCommon,
		"aaaaaaaaaa":                TooCommon,
		"abcabcabcab":               TooCommon,
		"ijklmnopqr":                TooCommon,
		"zyxwvuts":                  TooCommon,
		"annabelle1990":             ContainsContext,
		"Ann4b3lle1990":             ContainsContext,
		"MU\u0308LLER-mu\u0308ller": ContainsContext, // the same letter, spelled in two characters
		"or3-Miller-9":              ContainsContext,
		"annabelle likes cheese":    "",
		"for3st gnomes":             "",
	} {
		if got, err := p.Check(password, about...); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", password, got, err, want)
		}
	}
	if got, _ := policy(t, 15, nil).Check("correct horse"); got != TooShort {
		t.Errorf("13 characters where 15 are the least: %q", got)
	}
}

// ASVS 5.0, 6.2.4 asks for the 3,000 most frequent passwords of sufficient length.
func TestTheListIsLongEnoughAndSorted(t *testing.T) {
	list, err := commonPasswords()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	long := 0
	for i := range list.lines {
		w := list.word(i)
		all = append(all, w)
		if utf8.RuneCountInString(w) >= 8 {
			long++
		}
		if Fold(w) != w {
			t.Fatalf("%q is not folded: nothing would ever match it", w)
		}
	}
	if long < 3000 || !slices.IsSorted(all) || len(slices.Compact(all)) != len(list.lines) {
		t.Errorf("%d words, %d of them long enough, sorted %v", len(all), long, slices.IsSorted(all))
	}
	for _, w := range []string{all[0], all[len(all)/2], all[len(all)-1]} {
		if !list.has(w) {
			t.Errorf("%q is in the list and not found", w)
		}
	}
	for _, w := range []string{"", "\n", all[0][:1], "correct horse battery", "zzzzzzzzzzzzzzzzzzzzzzz"} {
		if list.has(w) {
			t.Errorf("%q is found", w)
		}
	}
}

func breachFile(t *testing.T, end string, passwords ...string) string {
	t.Helper()
	var lines []string
	for i, w := range passwords {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum([]byte(w)), i*i*i+1))
	}
	slices.Sort(lines)
	path := filepath.Join(t.TempDir(), "breaches.txt")
	if err := os.WriteFile(path, []byte(strings.Join(lines, end)+end), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBreachedPasswordsAreFound(t *testing.T) {
	for _, n := range []int{1, 2, 3, 1000} {
		for _, end := range []string{"\n", "\r\n"} {
			var in []string
			for i := range n {
				in = append(in, fmt.Sprint("leaked secret ", i))
			}
			b, err := OpenBreaches(breachFile(t, end, in...))
			if err != nil {
				t.Fatal(err)
			}
			p := policy(t, 8, b)
			for i, w := range in {
				if got, err := p.Check(w); got != Breached || err != nil {
					t.Fatalf("%d lines, %q: %q, %v", n, w, got, err)
				}
				if got, err := p.Check(fmt.Sprint("secret that no one knows ", i)); got != "" || err != nil {
					t.Fatalf("%d lines: %q, %v", n, got, err)
				}
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Check("correct horse battery"); err == nil {
				t.Error("a file that cannot be read is taken for one without the password")
			}
		}
	}
}

func TestWrongBreachFilesAreRefused(t *testing.T) {
	digest := fmt.Sprintf("%X", sha1.Sum([]byte("x")))
	for name, text := range map[string]string{
		"empty": "", "no digests": "password\n", "short": digest[:39] + "\n", "long": digest + "00\n", "no hex": "G" + digest[1:] + "\n",
		"endless": digest + ":" + strings.Repeat("1", 100),
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := OpenBreaches(path); err == nil {
			b.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := OpenBreaches(t.TempDir()); err == nil {
		t.Error("a directory is accepted")
	}
	if _, err := OpenBreaches(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file is accepted")
	}
}

func FuzzCheck(f *testing.F) {
	p, err := New(8, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("p@ssw0rd", "ann@example.org")
	f.Add("\xff\xfe\x00", "")
	f.Add("ﬃ\u0308", "\u0308")
	f.Fuzz(func(t *testing.T, password, about string) {
		got, err := p.Check(password, about)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := p.Check(Normalize(password), about); again != got {
			t.Errorf("%q: %q, normalised %q", password, got, again)
		}
	})
}

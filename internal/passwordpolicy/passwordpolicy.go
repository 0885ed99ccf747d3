// Package passwordpolicy decides which texts may become passwords, after NIST SP 800-63B-4 (3.1.1.2) and ASVS 5.0
// (6.2): a minimum length, no common or breached password, nothing made from commonly known facts about the person, and
// no rules about kinds of characters.
package passwordpolicy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Refusal is the reason why a password is not accepted. "" means that it is.
type Refusal string

// The refusals, in the order in which they are checked.
const (
	TooShort        Refusal = "too_short"
	TooCommon       Refusal = "too_common"
	ContainsContext Refusal = "contains_context"
	Breached        Refusal = "breached"
)

// leastRest is how long the rest of a password must be after removing the words that an attacker would try. A
// passphrase may contain one's name, but a name with a year after it is refused.
const leastRest = 8

// Policy is a set of rules. It is safe for concurrent use.
type Policy struct {
	minLength int
	common    wordList
	breaches  *Breaches
}

// New returns a policy with a minimum length in characters. breaches may be nil.
func New(minLength int, breaches *Breaches) (*Policy, error) {
	common, err := commonPasswords()
	if err != nil {
		return nil, err
	}
	return &Policy{minLength: minLength, common: common, breaches: breaches}, nil
}

// Normalize returns the form in which a password is checked and hashed, because two keyboards may spell the same
// character differently.
func Normalize(password string) string { return norm.NFC.String(password) }

// Check decides whether a person may use a password. context holds what is known about them: an e-mail address, a name,
// the name of the server. An error means that the breach file cannot be read.
func (p *Policy) Check(password string, context ...string) (Refusal, error) {
	password = Normalize(password)
	switch {
	case utf8.RuneCountInString(password) < p.minLength:
		return TooShort, nil
	case p.isCommon(password):
		return TooCommon, nil
	case madeOf(Fold(password), words(context)):
		return ContainsContext, nil
	}
	found, err := p.breaches.contains(password)
	if found {
		return Breached, err
	}
	return "", err
}

// isCommon recognizes passwords on the list, even between a few digits or signs, runs such as "abcdefgh", and
// repetitions of a short text.
func (p *Policy) isCommon(password string) bool {
	core := strings.TrimFunc(password, func(r rune) bool { return !unicode.IsLetter(r) })
	around := utf8.RuneCountInString(password) - utf8.RuneCountInString(core)
	return p.common.has(Fold(password)) || around < leastRest && p.common.has(Fold(core)) || isRun(password) || isRepetition(password)
}

// isRun reports whether each character directly follows, or directly precedes, the one before it: "abcdefgh",
// "87654321".
func isRun(s string) bool {
	runes := []rune(s)
	step := rune(0)
	for i := 1; i < len(runes); i++ {
		d := runes[i] - runes[i-1]
		if d != 1 && d != -1 || i > 1 && d != step {
			return false
		}
		step = d
	}
	return len(runes) > 1
}

// longestUnit is the length up to which repeating a text makes it no better.
const longestUnit = 4

// isRepetition reports whether s is a short text repeated: "aaaaaaaa", "abcabcabc".
func isRepetition(s string) bool {
	runes := []rune(s)
	for unit := 1; unit <= longestUnit && 2*unit <= len(runes); unit++ {
		same := true
		for i := unit; i < len(runes) && same; i++ {
			same = runes[i] == runes[i-unit]
		}
		if same {
			return true
		}
	}
	return false
}

// leastWord is the minimum length of a word of the context that counts.
const leastWord = 3

// words splits texts at everything that is neither a letter nor a digit, and folds the words. The longest come first,
// because one may begin with another.
func words(texts []string) (out []string) {
	for _, text := range texts {
		for _, w := range strings.FieldsFunc(Normalize(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if utf8.RuneCountInString(w) >= leastWord {
				out = append(out, Fold(w))
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// madeOf reports whether a password contains one of the words and is too short without them.
func madeOf(folded string, words []string) bool {
	rest := folded
	for _, w := range words {
		rest = strings.ReplaceAll(rest, w, "")
	}
	return rest != folded && utf8.RuneCountInString(rest) < leastRest
}

// lookalikes are the signs that people use in place of letters. They do not make a password harder to guess.
var lookalikes = strings.NewReplacer("0", "o", "1", "i", "!", "i", "|", "i", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "+", "t")

// Fold returns a form that is the same for passwords that differ only in case, width or lookalikes.
func Fold(s string) string { return lookalikes.Replace(strings.ToLower(norm.NFKC.String(s))) }

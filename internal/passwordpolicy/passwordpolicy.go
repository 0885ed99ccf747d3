// Package passwordpolicy decides which texts may become passwords, after NIST SP 800-63B-4 (3.1.1.2) and ASVS 5.0 (6.2):
// a least length, no password that many people use or that was found in a breach, nothing that is made of what anybody
// knows about the person, and no rules about the kinds of characters.
package passwordpolicy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Refusal says why a password is not accepted; "" means that it is.
type Refusal string

// The refusals, in the order in which they are looked for.
const (
	TooShort        Refusal = "too_short"
	TooCommon       Refusal = "too_common"
	ContainsContext Refusal = "contains_context"
	Breached        Refusal = "breached"
)

// leastRest is how long what remains of a password must be once the words that anybody would try are taken out of it.
// A passphrase may mention one's name; one's name with a year behind it is refused.
const leastRest = 8

// Policy is a set of rules. It is safe for concurrent use.
type Policy struct {
	minLength int
	common    wordList
	breaches  *Breaches
}

// New returns a policy with a least length in characters. breaches may be nil.
func New(minLength int, breaches *Breaches) (*Policy, error) {
	common, err := commonPasswords()
	if err != nil {
		return nil, err
	}
	return &Policy{minLength: minLength, common: common, breaches: breaches}, nil
}

// Normalize is the form in which a password is judged and hashed: two keyboards may spell the same character differently.
func Normalize(password string) string { return norm.NFC.String(password) }

// Check says whether a password may be used by somebody about whom the texts in context are known: an e-mail address, a
// name, the name of the server. An error means that the breach file cannot be read.
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

// isCommon recognises passwords of the list, also between a few digits or signs, runs such as "abcdefgh", and repetitions
// of something short.
func (p *Policy) isCommon(password string) bool {
	core := strings.TrimFunc(password, func(r rune) bool { return !unicode.IsLetter(r) })
	around := utf8.RuneCountInString(password) - utf8.RuneCountInString(core)
	return p.common.has(Fold(password)) || around < leastRest && p.common.has(Fold(core)) || isRun(password) || isRepetition(password)
}

// isRun reports whether each character is the next one, or the one before, of its neighbour: "abcdefgh", "87654321".
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

// longestUnit is up to where the repetition of a text is no better than the text.
const longestUnit = 4

// isRepetition reports whether s is a short text several times over: "aaaaaaaa", "abcabcabc".
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

// leastWord is the length from which a word of the context counts.
const leastWord = 3

// words splits texts at everything that is neither letter nor digit and folds what is between. The longest come first, since
// one may begin with another.
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

// lookalikes are the signs that people put for letters. They do not make a password harder to guess.
var lookalikes = strings.NewReplacer("0", "o", "1", "i", "!", "i", "|", "i", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "+", "t")

// Fold is what two passwords have in common that only differ in case, width or lookalikes.
func Fold(s string) string { return lookalikes.Replace(strings.ToLower(norm.NFKC.String(s))) }

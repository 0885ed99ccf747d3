package docs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ContractPages are the pages of the wire contract, in the folder contract, by the names that comments use.
var ContractPages = []string{
	"auth", "client-behaviour", "env", "host-integration", "security-middleware", "storage", "sync", "workspaces-and-admin",
}

// The grammar of a reference, such as "sync §10.1, §10.3 and Pitfalls 2 to 4". Other standards have sections as well.
const (
	section  = `§\d+(?:\.\d+)*`
	sections = section + `(?:(?:–|\s+to\s+)` + section + `)?`
	pitfalls = `Pitfalls?\s+\d+(?:(?:,\s+(?:and\s+)?|\s+(?:and|or|to)\s+|–)\d+)*`
	either   = `(?:` + sections + `|` + pitfalls + `)`
	places   = either + `(?:(?:[,;]\s+(?:and\s+)?|\s+(?:and|or)\s+)` + either + `)*`
	standard = `RFC\s+\w+|WebAuthn|HTML(?:\s+Standard)?`
)

var (
	pages    = `(?i:` + strings.Join(ContractPages, `|`) + `)`
	placed   = regexp.MustCompile(`(?:\b(` + pages + `|` + standard + `),?\s+)?(` + places + `)`)
	whole    = regexp.MustCompile(`[(;]\s*contract,\s+([\w-]+)`)
	place    = regexp.MustCompile(`(–|\bto\s+)?(?:(§)|Pitfalls?\s+)?(\d+(?:\.\d+)*)`)
	numbered = regexp.MustCompile(`^(?:(\d+(?:\.\d+)*)\.? |Pitfall (\d+)\. )`)
)

// A Reference is what a text says of one or more places of the contract.
type Reference struct {
	// Page is one of ContractPages, if the text is right, and empty if it does not say which.
	Page string
	// Places are as PlaceOf has them: the places of a range, else one. There is none if the text refers to the page.
	Places []string
	// From and To are where the text says so.
	From, To int
}

// References returns what a text refers to. here is the page that it belongs to, if any: there a section without a page
// is its own.
func References(text, here string) []Reference {
	var out []Reference
	for _, m := range whole.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, Reference{Page: strings.ToLower(text[m[2]:m[3]]), From: m[2], To: m[3]})
	}
	for _, m := range placed.FindAllStringSubmatchIndex(text, -1) {
		page := here
		if m[2] >= 0 {
			if page = strings.ToLower(text[m[2]:m[3]]); !slices.Contains(ContractPages, page) {
				continue
			}
		}
		list := listed(text[m[4]:m[5]])
		for i := range list {
			list[i].Page = page
			list[i].From += m[4]
			list[i].To += m[4]
		}
		list[0].From = m[0]
		out = append(out, list...)
	}
	return out
}

// listed returns the references of a list. The end of a range stands for all that is between.
func listed(list string) []Reference {
	var out []Reference
	before := 0
	for _, m := range place.FindAllStringSubmatchIndex(list, -1) {
		from, stem, last := m[0], "", list[m[6]:m[7]]
		if m[2] >= 0 {
			from = m[3]
		}
		if i := strings.LastIndexByte(last, '.'); i >= 0 {
			stem, last = last[:i+1], last[i+1:]
		}
		if m[4] < 0 {
			stem = "Pitfall " + stem
		}
		n, _ := strconv.Atoi(last)
		if m[2] < 0 {
			before = n - 1
		}
		r := Reference{From: from, To: m[1]}
		for i := before + 1; i <= n; i++ {
			r.Places = append(r.Places, stem+strconv.Itoa(i))
		}
		out, before = append(out, r), n
	}
	return out
}

// PlaceOf returns the place that a heading of a page is: its number, of a pitfall with that word; empty if it has none.
func PlaceOf(heading string) string {
	m := numbered.FindStringSubmatch(heading)
	switch {
	case m == nil:
		return ""
	case m[1] != "":
		return m[1]
	}
	return "Pitfall " + m[2]
}

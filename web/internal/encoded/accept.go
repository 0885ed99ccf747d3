package encoded

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// acceptance is what a request says about codings (RFC 9110, 12.5.3): the weight of each that it names, nothing of
// others. The name of no coding is "identity", and "*" is whatever is not named.
type acceptance map[string]float64

// accepted reads the Accept-Encoding of a request. What is malformed counts as not said; of two weights for a name the
// first one counts.
func accepted(h http.Header) acceptance {
	a := acceptance{}
	for _, field := range h.Values("Accept-Encoding") {
		for element := range strings.SplitSeq(field, ",") {
			name, parameter, weighted := strings.Cut(element, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name == "x-gzip" {
				name = "gzip"
			}
			if _, said := a[name]; said || !spoken(name) {
				continue
			}
			if q, ok := quality(parameter, weighted); ok {
				a[name] = q
			}
		}
	}
	return a
}

// spoken reports whether a name means something to us, so that what others send takes no memory.
func spoken(name string) bool {
	return name == "identity" || name == "*" || slices.ContainsFunc(codings, func(c *coding) bool { return c.name == name })
}

// quality reads the weight behind the name of a coding.
func quality(parameter string, given bool) (float64, bool) {
	if !given {
		return 1, true
	}
	name, value, _ := strings.Cut(parameter, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 0, false
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return q, err == nil && q >= 0 && q <= 1
}

// of returns the weight of a coding, 0 if the client does not take it.
func (a acceptance) of(name string) float64 {
	if q, named := a[name]; named {
		return q
	}
	return a["*"]
}

// identity reports whether the client takes a file as it is. Everyone does who does not say otherwise.
func (a acceptance) identity() bool {
	if q, named := a["identity"]; named {
		return q > 0
	}
	q, named := a["*"]
	return !named || q > 0
}

// order returns the codings that the client takes, the best one first; nil stands for none. Of equal weight, what the
// client names comes before no coding, and that before what it takes as anything else.
func (a acceptance) order() []*coding {
	var named, none, others []*coding
	for _, c := range codings {
		if _, ok := a[c.name]; ok {
			named = append(named, c)
		} else {
			others = append(others, c)
		}
	}
	if a.identity() {
		none = []*coding{nil}
	}
	order := slices.DeleteFunc(slices.Concat(named, none, others), func(c *coding) bool { return c != nil && a.of(c.name) == 0 })
	slices.SortStableFunc(order, func(x, y *coding) int { return cmp.Compare(a.weight(y), a.weight(x)) })
	return order
}

// weight returns the weight of a coding, nil for none.
func (a acceptance) weight(c *coding) float64 {
	if c == nil {
		return a.of("identity")
	}
	return a.of(c.name)
}

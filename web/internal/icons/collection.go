package icons

import (
	"encoding/json"
	"io/fs"
	"time"
)

// collection is a set of icons in the JSON of Iconify, whose icons are kept as they are written.
type collection struct {
	head
	Icons   map[string]json.RawMessage `json:"icons"`
	Aliases map[string]json.RawMessage `json:"aliases,omitempty"`

	info  fs.FileInfo // of the client's file; nil for those of the program
	asked time.Time
}

// head is what holds for all icons of a collection, in an answer as in the collection.
type head struct {
	Prefix       string `json:"prefix"`
	Provider     string `json:"provider,omitempty"`
	LastModified int64  `json:"lastModified,omitempty"`
	Left         int    `json:"left,omitempty"`
	Top          int    `json:"top,omitempty"`
	Width        int    `json:"width,omitempty"`
	Height       int    `json:"height,omitempty"`
}

// picked are icons of a collection.
type picked struct {
	head
	Icons    map[string]json.RawMessage `json:"icons"`
	Aliases  map[string]json.RawMessage `json:"aliases,omitempty"`
	NotFound []string                   `json:"not_found,omitempty"`
}

// pick returns the icons with some names. An alias comes with the icon that it stands for, and what is between the two.
func (c *collection) pick(names []string) picked {
	p := picked{head: c.head, Icons: map[string]json.RawMessage{}, Aliases: map[string]json.RawMessage{}}
	missing := map[string]bool{}
	for _, n := range names {
		if !name.MatchString(n) || missing[n] { // names that icons cannot have are none
			continue
		}
		if !c.take(&p, n) {
			missing[n] = true
			p.NotFound = append(p.NotFound, n)
		}
	}
	return p
}

// take takes an icon and the aliases on the way to it, and reports whether there is one at its end.
func (c *collection) take(p *picked, of string) bool {
	way := map[string]json.RawMessage{}
	for {
		if icon, ok := c.Icons[of]; ok {
			p.Icons[of] = icon
			for n, alias := range way {
				p.Aliases[n] = alias
			}
			return true
		}
		alias, ok := c.Aliases[of]
		if _, circle := way[of]; !ok || circle {
			return false
		}
		way[of] = alias
		var to struct {
			Parent string `json:"parent"`
		}
		if json.Unmarshal(alias, &to) != nil {
			return false
		}
		of = to.Parent
	}
}

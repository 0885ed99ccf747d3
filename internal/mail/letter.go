package mail

import (
	"bytes"
	"html/template"
	"strings"
)

// Letter is a message to one person. Everything in it is plain text.
type Letter struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	// Paragraphs come first, then the facts, then the button, then the closing paragraphs.
	Paragraphs []string `json:"paragraphs"`
	Facts      []Fact   `json:"facts,omitempty"`
	Action     *Action  `json:"action,omitempty"`
	Closing    []string `json:"closing,omitempty"`
}

// Fact is a line such as "When: 3 March 2026".
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Action is a link that the letter asks the reader to follow.
type Action struct {
	Label string `json:"label"`
	URL   string `json:"url"`
}

// Text returns the letter for programs that show no HTML.
func (l Letter) Text() string {
	var parts []string
	parts = append(parts, l.Paragraphs...)
	var facts []string
	for _, f := range l.Facts {
		facts = append(facts, f.Name+": "+f.Value)
	}
	if len(facts) > 0 {
		parts = append(parts, strings.Join(facts, "\n"))
	}
	if l.Action != nil {
		parts = append(parts, l.Action.Label+":\n"+l.Action.URL)
	}
	parts = append(parts, l.Closing...)
	return strings.Join(parts, "\n\n") + "\n"
}

// page loads no images, fonts or scripts, so that opening a letter is not reported to anyone. Programs with a dark mode
// invert it.
var page = template.Must(template.New("letter").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>{{.Subject}}</title></head>
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif">
<div style="max-width:560px;margin:0 auto">
<h1 style="font-size:20px">{{.Subject}}</h1>
{{range .Paragraphs}}<p>{{.}}</p>
{{end}}{{if .Facts}}<table role="presentation" style="border-collapse:collapse">
{{range .Facts}}<tr><td style="padding:2px 16px 2px 0;vertical-align:top"><b>{{.Name}}</b></td><td>{{.Value}}</td></tr>
{{end}}</table>
{{end}}{{with .Action}}<p><a href="{{.URL}}" style="display:inline-block;padding:10px 18px;border:2px solid;border-radius:6px">{{.Label}}</a></p>
<p>Or copy this address into your browser:<br><span style="word-break:break-all">{{.URL}}</span></p>
{{end}}{{range .Closing}}<p>{{.}}</p>
{{end}}</div>
</body>
</html>
`))

// HTML returns the letter as a page. It says the same as Text.
func (l Letter) HTML() (string, error) {
	var b bytes.Buffer
	err := page.Execute(&b, l)
	return b.String(), err
}

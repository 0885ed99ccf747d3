//go:build noweb

package web

import "net/http"

// page returns no handler: this binary was built without the page.
func page(marks) (http.Handler, error) { return nil, nil }

// marks are what the page would be told.
type marks struct {
	accounts bool
	client   string
}

//go:build noweb

package web

import "net/http"

// page returns no handler: this binary was built without the page.
func page(bool) (http.Handler, error) { return nil, nil }

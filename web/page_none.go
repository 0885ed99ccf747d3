//go:build noweb

package web

import "net/http"

// BuiltIn says that the binary has the built-in page.
const BuiltIn = false

// page returns no handler: this binary was built without the page.
func page(marks) (http.Handler, error) { return nil, nil }

// marks are what the page would be told.
type marks struct {
	accounts, superAdmin bool
	client               string
}

// withAdministration leaves a handler as it is: this binary was built without the pages.
func withAdministration(next http.Handler, _ string, _ marks, _ ...string) (http.Handler, error) {
	return next, nil
}

// withDocuments leaves a handler as it is: this binary was built without the documentation.
func withDocuments(next http.Handler, _ string, _ ...string) http.Handler { return next }

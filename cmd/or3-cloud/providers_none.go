//go:build noproviders

package main

import or3cloud "or3.chat/cloud"

// registerProviders registers nothing: this binary serves static files only.
func registerProviders(*or3cloud.Registry) error { return nil }

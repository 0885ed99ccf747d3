//go:build noproviders

package main

import or3cloud "or3.chat/cloud"

// providers is empty: this binary serves static files only.
var providers []func(*or3cloud.Registry) error

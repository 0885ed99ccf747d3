//go:build race

package index

// racing says that the race detector watches, which makes everything about ten times as slow.
const racing = true

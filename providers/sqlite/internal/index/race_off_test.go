//go:build !race

package index

const racing = false

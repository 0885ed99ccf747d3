// Package docs is the documentation, as it stands in this folder, in contract and in internals. Package site makes
// pages of it.
package docs

import "embed"

// Files are the documents.
//
//go:embed *.md contract/*.md internals/*.md
var Files embed.FS

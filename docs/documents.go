// Package docs is the documentation, as it stands in this folder and in contract. Package site makes pages of it.
package docs

import "embed"

// Files are the documents.
//
//go:embed *.md contract/*.md
var Files embed.FS

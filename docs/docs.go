// Package docs has the pages that programs quote.
package docs

import _ "embed"

// Troubleshooting is docs/troubleshooting.md: by word, what it means and what to do.
//
//go:embed troubleshooting.md
var Troubleshooting string

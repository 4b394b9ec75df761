//go:build !unix

package cli

import "os"

func fileNumbers(*os.File) string { return "" }

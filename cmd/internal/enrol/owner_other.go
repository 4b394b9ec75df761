//go:build !unix

package enrol

import "os"

func belongAs(*os.File, string) error { return nil }

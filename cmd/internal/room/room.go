// Package room says how much can still be written.
package room

import (
	"fmt"
	"path/filepath"
)

// least is what a file of a trace may grow to before the next is begun.
const least = 16 << 20

// Lacking says that there is little room where a file is; "" when there is enough, or it cannot be told.
func Lacking(file string) string {
	n, err := Free(filepath.Dir(file))
	if file == "" || err != nil || n >= least {
		return ""
	}
	return fmt.Sprintf("only %d MiB are free where %s is: make room", n>>20, file)
}

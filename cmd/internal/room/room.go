// Package room knows how much can still be written to a disk.
package room

import (
	"fmt"
	"path/filepath"
)

// least is the size to which a file of a trace may grow before the next is begun.
const least = 16 << 20

// Lacking returns that there is little room where a file is; "" = there is enough, or it is not known.
func Lacking(file string) string {
	n, err := Free(filepath.Dir(file))
	if file == "" || err != nil || n >= least {
		return ""
	}
	return fmt.Sprintf("only %d MiB are free where %s is: make room", n>>20, file)
}

package enrol

import (
	"fmt"
	"io/fs"
	"os"

	"tlagate/internal/files"
)

// write replaces a file in one step: after a crash it is the old one or the new one.
func write(file string, data []byte, mode fs.FileMode) error {
	if err := files.Replace(file, data, mode); err != nil {
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	return nil
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

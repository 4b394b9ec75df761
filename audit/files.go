package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tlagate/internal/files"
)

// The files beside a log: its head, what was set aside of half-written lines, the next file until it has its place, and
// what says that nothing is purged.
func headName(file string) string { return file + ".head" }
func tornName(file string) string { return file + ".torn" }
func nextName(file string) string { return file + ".next" }
func holdName(file string) string { return file + ".hold" }

// segment is a full file of the log, under its final name.
type segment struct {
	name  string
	first uint64 // number of its first line
}

// segmentName returns the final name of a full file: audit.jsonl becomes audit-000000000001.jsonl.
func segmentName(file string, first uint64) string {
	ext := filepath.Ext(file)
	return fmt.Sprintf("%s-%012d%s", strings.TrimSuffix(file, ext), first, ext)
}

// segments lists the full files of a log, oldest first.
func segments(file string) ([]segment, error) {
	all, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, entry := range all {
		name := filepath.Join(filepath.Dir(file), entry.Name())
		if first, ok := firstOf(file, name); ok {
			list = append(list, segment{name, first})
		}
	}
	slices.SortFunc(list, func(a, b segment) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	return list, nil
}

// firstOf reads the number in a full file's name; ok is false when name is no full file of this log.
func firstOf(file, name string) (first uint64, ok bool) {
	ext := filepath.Ext(file)
	digits, ok := strings.CutPrefix(filepath.Base(name), strings.TrimSuffix(filepath.Base(file), ext)+"-")
	if !ok {
		return 0, false
	}
	first, err := strconv.ParseUint(strings.TrimSuffix(digits, ext), 10, 64)
	return first, err == nil && filepath.Base(segmentName(file, first)) == filepath.Base(name)
}

// create opens a file for reading and writing, and makes it if it is missing.
func create(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if f, err = os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := files.SyncDir(filepath.Dir(file)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

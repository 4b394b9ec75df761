//go:build linux

package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// account owns a directory.
type account struct {
	uid, gid int
	dir      string
}

// maxLinks is how many symbolic links a path may go through, as in the kernel.
const maxLinks = 40

// along walks to a file from the root of the file system, following links as the kernel does, and returns the owner of
// the first directory or link that is not root's: that owner controls whatever comes after it. nil = all is root's, as
// far as it exists. Only directories count, and a link in the file's place: the file itself may be anybody's.
func along(file string) (*account, error) {
	if !filepath.IsAbs(file) {
		here, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		file = here + "/" + file // not cleaned: ".." after a link is where the link leads
	}
	at, rest, links := "/", strings.Split(file, "/"), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, name) // at has no link in it
		info, err := os.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		isLink := info.Mode()&fs.ModeSymlink != 0
		if len(rest) == 0 && !isLink && !info.IsDir() {
			return nil, nil
		}
		if a := ownerOf(info, next); a != nil {
			return a, nil
		}
		if !isLink {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return nil, fmt.Errorf("cannot follow %s: too many links", file)
		}
		target, err := os.Readlink(next)
		if err != nil {
			return nil, err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return nil, nil
}

// ownerOf returns the owner of a directory or link; nil for root, and for an account that is not mapped in our user
// namespace, which root of the namespace cannot become.
func ownerOf(info fs.FileInfo, dir string) *account {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 || !mapped(int(stat.Uid)) {
		return nil
	}
	return &account{uid: int(stat.Uid), gid: int(stat.Gid), dir: dir}
}

// mapped reports whether an account exists in our user namespace.
func mapped(uid int) bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		var inside, outside, length int
		if _, err := fmt.Sscan(line, &inside, &outside, &length); err == nil && uid >= inside && uid-inside < length {
			return true
		}
	}
	return false
}

package sandbox

import (
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// readable returns the rule for reading a file, or a directory and all below it.
func readable(path string) landlock.Rule {
	rights := read
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		rights = ll.AccessFSReadFile
	}
	return landlock.PathAccess(rights, path).IgnoreIfMissing()
}

// System returns what any program of ours reads: names of users and hosts, which are in /etc and may be replaced there
// at any time (resolv.conf by whatever sets up the network), the time zone, libraries that the C library loads, and the
// program's own /proc.
func System() Rules {
	return Rules{
		Read: append([]string{"/etc", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64",
			"/usr/share/zoneinfo",
			"/proc/self", "/dev/null", "/dev/urandom"}, resolver("/etc/resolv.conf")...),
	}
}

// resolver returns the directory where resolv.conf really is, if it is a link out of /etc.
func resolver(file string) []string {
	target, err := os.Readlink(file)
	if err != nil {
		return nil
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(file), target)
	}
	return []string{filepath.Dir(target)}
}

// Directories returns the directory of each file that is named, once.
func Directories(files ...string) (dirs []string) {
	seen := map[string]bool{"": true, ".": true}
	for _, f := range files {
		if f == "" {
			continue
		}
		if dir := filepath.Dir(f); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

package room

import "golang.org/x/sys/unix"

// Free returns how many octets an ordinary user can still write where path is; 0 if no further file can be made there.
func Free(path string) (uint64, error) {
	var s unix.Statfs_t
	err := unix.Statfs(path, &s)
	if s.Files > 0 && s.Ffree == 0 {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), err
}

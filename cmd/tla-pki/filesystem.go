package main

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tlagate/cmd/internal/cli"
)

// fileSystems are the names of what media have, by statfs(2).
var fileSystems = map[uint32]string{
	unix.EXT4_SUPER_MAGIC:  "ext4",
	unix.MSDOS_SUPER_MAGIC: "FAT",
	unix.EXFAT_SUPER_MAGIC: "exFAT",
	unix.FUSE_SUPER_MAGIC:  "FUSE",
	unix.XFS_SUPER_MAGIC:   "XFS",
	unix.BTRFS_SUPER_MAGIC: "Btrfs",
	unix.ISOFS_SUPER_MAGIC: "ISO 9660",
	unix.UDF_SUPER_MAGIC:   "UDF",
	unix.TMPFS_MAGIC:       "tmpfs",
	unix.RAMFS_MAGIC:       "ramfs",
}

// describe says what file system it is, and warns of a medium that is none: one that was not mounted, or is memory.
func (m *medium) describe() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(m.dir, &fs); err != nil {
		return fmt.Errorf("it cannot be looked at: %w", err)
	}
	magic := uint32(fs.Type) // where it is an int32, some are below zero
	kind, known := fileSystems[magic]
	if !known {
		kind = fmt.Sprintf("file system %#x", magic)
	}
	fmt.Fprintf(m.out, "%s: %s, %d MB free\n", cli.Screen(m.dir), kind, int64(fs.Bavail)*int64(fs.Bsize)/1_000_000)
	if magic == unix.TMPFS_MAGIC || magic == unix.RAMFS_MAGIC {
		m.warn("it is memory: what is there is lost when the machine is switched off")
	} else if !mounted(m.dir) {
		m.warn("nothing is mounted there: it is a directory of this machine")
	}
	return nil
}

// mounted reports whether a directory is, or lies below, another file system's than the root's.
func mounted(dir string) bool {
	var here, root unix.Stat_t
	dir, err := filepath.EvalSymlinks(dir)
	return err != nil || unix.Stat(dir, &here) != nil || unix.Stat("/", &root) != nil || here.Dev != root.Dev
}

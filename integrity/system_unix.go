//go:build unix

package integrity

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

func openFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

func openDir(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
}

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// ownerOf returns USER:GROUP, as numbers where they have no name.
func ownerOf(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return nameOf(&users, st.Uid, userName) + ":" + nameOf(&groups, st.Gid, groupName)
}

// users and groups have the names that were looked up before.
var users, groups sync.Map

func nameOf(known *sync.Map, id uint32, look func(string) string) string {
	number := strconv.FormatUint(uint64(id), 10)
	if name, ok := known.Load(id); ok {
		return name.(string)
	}
	name := look(number)
	if name == "" {
		return number // it may have a name later
	}
	known.Store(id, name)
	return name
}

func userName(id string) string {
	u, err := user.LookupId(id)
	if err != nil {
		return ""
	}
	return u.Username
}

func groupName(id string) string {
	g, err := user.LookupGroupId(id)
	if err != nil {
		return ""
	}
	return g.Name
}

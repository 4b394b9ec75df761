package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"

	"tlagate/internal/local"
)

// guard decides which users may ask.
type guard struct {
	gid  int // -1: no group
	name string
}

func newGuard(group string) (guard, error) {
	if group == "" {
		return guard{gid: -1}, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		if g, err = user.LookupGroupId(group); err != nil {
			return guard{}, fmt.Errorf("cannot find the group %q of the control socket: create it or name another",
				group)
		}
	}
	gid, err := strconv.Atoi(g.Gid)
	return guard{gid, group}, err
}

// check returns the client's process; the error says why it is not let in. Root, the daemon's own user, and members of
// the group are.
func (g guard) check(c *net.UnixConn) (local.Peer, error) {
	who, err := local.PeerOf(c)
	switch {
	case err != nil:
		return who, fmt.Errorf("cannot tell who asks: %w", err)
	case who.UID == 0 || int(who.UID) == os.Geteuid() || g.has(who):
		return who, nil
	case g.gid < 0:
		return who, errors.New("only root and the relay's own user may ask: no group is configured")
	}
	return who, fmt.Errorf("uid %d is not in the group %s", who.UID, g.name)
}

// has reports whether the group is the process's primary one, or one of its user's.
func (g guard) has(who local.Peer) bool {
	if g.gid < 0 {
		return false
	}
	if int(who.GID) == g.gid {
		return true
	}
	u, err := user.LookupId(strconv.Itoa(int(who.UID)))
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, strconv.Itoa(g.gid))
}

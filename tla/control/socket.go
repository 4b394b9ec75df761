package control

import (
	"errors"
	"fmt"

	"tlagate/internal/local"
)

// openSocket listens on path, whose group becomes gid (-1: stays).
func openSocket(path string, gid int) (*local.Socket, error) {
	s, err := local.Listen(path, gid)
	switch {
	case errors.Is(err, local.ErrNoSocket):
		err = fmt.Errorf("cannot open the control socket: %s exists and is no socket: remove it or configure "+
			"another path", path)
	case errors.Is(err, local.ErrInUse):
		err = fmt.Errorf("cannot open the control socket: another relay is running on %s: stop it first", path)
	case err != nil:
		err = fmt.Errorf("cannot open the control socket %s: %w", path, err)
	}
	return s, err
}

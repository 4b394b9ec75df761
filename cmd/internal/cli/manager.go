package cli

import (
	"context"
	"fmt"
	"net"
	"os"

	"tlagate/internal/activation"
	"tlagate/internal/tcp"
)

// Listen listens on host:port, or takes the socket of that name which the service manager keeps open for the program
// (systemd: FileDescriptorName= of a socket unit): who connects while the program is started again then waits. When the
// program has opened all, it calls NoSocketLeft. Multipath TCP is taken only if multipath.
func (a *App) Listen(name, address string, multipath bool) (net.Listener, error) {
	if a.sockets == nil {
		passed, err := activation.Passed(os.Getenv)
		if err != nil {
			return nil, err
		}
		a.sockets = passed
	}
	l, err := a.sockets.Take(name, address, multipath)
	if err != nil || l != nil {
		return l, err
	}
	if l, err = tcp.Listen(a.Context, address, multipath); err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return l, nil
}

// NoSocketLeft returns an error for a socket that the service manager passed under a name that Listen was not given.
func (a *App) NoSocketLeft() error {
	if a.sockets == nil {
		return nil
	}
	return a.sockets.Left()
}

// Serving tells the service manager, if one started the program (systemd: Type=notify), that the program serves, as
// soon as alive returns; that it stops, when it is told to; and until its end that it still works, as often as the
// manager asks (WatchdogSec=). alive returns when what matters in the program has answered, and hangs as long as that
// does: then nothing is said, and the manager ends the program.
func (a *App) Serving(alive func()) {
	a.tell(a.noManager)
	if a.manager == nil {
		return
	}
	context.AfterFunc(a.Context, a.stopped)
	go a.manager.Watch(context.WithoutCancel(a.Context), alive, a.tell) // also while it drains
}

// stopped tells the service manager, once, that a program which serves ends: told to, or by itself.
func (a *App) stopped() {
	if a.serving.Load() {
		a.tell(a.manager.Stop())
	}
}

// tell logs what the service manager could not be told.
func (a *App) tell(err error) {
	if err != nil {
		a.Log.Warn("the service manager does not know how this program is", "error", err)
	}
}

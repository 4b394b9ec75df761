package world

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// scratch is the TMPDIR of a world, and vanishes with it.
const scratch = "/run/tmp"

// initialise is the first process of the namespaces: it prepares them, starts the program and reaps processes. The
// kernel kills what is left when it exits.
func initialise() (int, error) {
	if err := prepare(); err != nil {
		return 1, err
	}
	cmd, err := again(stageInside)
	if err != nil {
		return 1, err
	}
	leaveSignalsToChild()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("cannot start the program inside: %w", err)
	}
	return reap(cmd.Process.Pid)
}

// reap waits for every process that has no other parent, until program ends.
func reap(program int) (int, error) {
	for {
		var how unix.WaitStatus
		pid, err := unix.Wait4(-1, &how, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 1, fmt.Errorf("cannot wait for the program inside: %w", err)
		case pid == program && how.Exited():
			return how.ExitStatus(), nil
		case pid == program:
			return 128 + int(how.Signal()), fmt.Errorf("the program inside was ended by signal %v", how.Signal())
		}
	}
}

func prepare() error {
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"keep mounts private", privateMounts},
		{"mount /proc", mountProc},
		{"mount a tmpfs on /run", mountRun},
		{"raise the loopback interface", loopbackUp},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("cannot %s: %w", step.what, err)
		}
	}
	return os.Setenv("TMPDIR", scratch)
}

func privateMounts() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }

func mountProc() error {
	return unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// mountRun hides the host's sockets, and makes pcscd's directory, which a fresh machine lacks, and an empty /run/dbus,
// over which a program's own system bus can be mounted.
func mountRun() error {
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return err
	}
	for _, dir := range []string{"/run/pcscd", "/run/dbus", scratch} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

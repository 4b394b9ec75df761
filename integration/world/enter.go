package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageEnv is the variable by which the re-executed binary knows how far in it is.
const (
	stageEnv    = "TLAGATE_WORLD"
	stageInit   = "init"   // first process of the namespaces
	stageInside = "inside" // its child, the caller's program
)

// Enter runs the current binary again, with the same arguments and streams, in namespaces of its own, and exits with
// its code; in there it returns. It works as root and, where user namespaces are allowed, as an ordinary user, who is
// root inside. When the outer process dies, even by SIGKILL, everything inside dies with it.
func Enter() {
	switch os.Getenv(stageEnv) {
	case "":
		os.Exit(report(outside()))
	case stageInit:
		os.Exit(report(initialise()))
	}
}

// Outside reports whether this is the process that was started first, before Enter.
func Outside() bool { return os.Getenv(stageEnv) == "" }

// inside reports whether this process is in a world.
func inside() bool { return os.Getenv(stageEnv) == stageInside }

func report(code int, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
	}
	return code
}

// outside fills the build cache while there is a network, then starts the world and waits for its end.
func outside() (int, error) {
	warmBuildCache()
	cmd, err := again(stageInit)
	if err != nil {
		return 1, err
	}
	cmd.Env = append(cmd.Env, "PATH="+sbin())
	cmd.SysProcAttr = namespaces()
	leaveSignalsToChild()
	runtime.LockOSThread() // Pdeathsig follows the thread, not the process
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return exitCode(err)
	}
	return 0, nil
}

// again returns the command that runs this binary at another stage.
func again(stage string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find the running binary: %w", err)
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), stageEnv+"="+stage)
	return cmd, nil
}

func namespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// sbin returns a PATH with the directories of daemons and of nft, which an ordinary user's PATH lacks.
func sbin() string { return os.Getenv("PATH") + ":/usr/sbin:/sbin" }

// leaveSignalsToChild leaves Ctrl-C, which the terminal sends to all processes, to the program inside. (A child would
// inherit that it is ignored.) SIGTERM ends this process, and thereby the world.
func leaveSignalsToChild() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGQUIT)
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	case errors.As(err, &exit):
		return 1, fmt.Errorf("the world ended early: %w", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EACCES):
		return 1, fmt.Errorf("cannot create namespaces: %w; run as root, or allow user namespaces "+
			"(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "+
			"kernel.apparmor_restrict_unprivileged_userns)", err)
	}
	return 1, fmt.Errorf("cannot run in namespaces: %w", err)
}

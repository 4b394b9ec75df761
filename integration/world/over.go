package world

import (
	"os/exec"
	"syscall"
)

// Over names directories and files of a program's own, by the place of the machine's that they lie over: what is one
// for the whole machine need not be one for programs that run side by side.
type Over map[string]string

// overlay covers pair after pair, up to --, and becomes the program.
const overlay = `while [ "$1" != -- ]; do mount --bind "$1" "$2" && shift 2 || exit 125; done; shift; exec "$@"`

// cover has a command start in a mount namespace of its own, in which all of it is covered.
func (o Over) cover(cmd *exec.Cmd) {
	if len(o) == 0 {
		return
	}
	args := []string{"sh", "-c", overlay, "sh"}
	for place, own := range o {
		args = append(args, own, place)
	}
	shell := exec.Command("sh")
	cmd.Args = append(append(args, "--"), cmd.Args...)
	cmd.Path, cmd.Err = shell.Path, shell.Err
	cmd.SysProcAttr.Unshareflags |= syscall.CLONE_NEWNS
}

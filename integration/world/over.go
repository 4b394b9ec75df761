package world

import (
	"os/exec"
	"syscall"
)

// Over maps paths of the machine to the files and directories that one program sees there instead: what a machine has
// one of need not be one for programs that run side by side.
type Over map[string]string

// overlay covers one path after the other, up to --, and becomes the program.
const overlay = `while [ "$1" != -- ]; do mount --bind "$1" "$2" && shift 2 || exit 125; done; shift; exec "$@"`

// cover has a command start in a mount namespace of its own, in which the paths are covered.
func (o Over) cover(cmd *exec.Cmd) {
	if len(o) == 0 {
		return
	}
	args := []string{"sh", "-c", overlay, "sh"}
	for path, own := range o {
		args = append(args, own, path)
	}
	shell := exec.Command("sh")
	cmd.Args = append(append(args, "--"), cmd.Args...)
	cmd.Path, cmd.Err = shell.Path, shell.Err
	cmd.SysProcAttr.Unshareflags |= syscall.CLONE_NEWNS
}

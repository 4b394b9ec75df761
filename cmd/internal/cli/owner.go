package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"tlagate/cmd/internal/owner"
)

// Written are the files that a program writes, of those that its configuration names.
type Written struct {
	Config     string // the configuration itself
	Identities []Identity
	Trust      Trust
	Files      []Path
	Devices    []Path   // that are used beside those of the keys
	Groups     []string // that are needed
}

// BecomeOwner makes a program that root runs the owner of what it is going to write: a service can use what `enroll` leaves to it, and who
// owns a directory cannot have root write anywhere else. Call it once the configuration is read.
func (w Written) BecomeOwner() error {
	plan := owner.Plan{Config: w.Config, Devices: Texts(w.Devices), Groups: w.Groups,
		Written: Texts(append(w.Files, w.Trust.Writes()...))}
	for _, i := range w.Identities {
		plan.Written = append(plan.Written, string(i.Cert), i.Key.File())
		plan.Read = append(plan.Read, string(i.Cert)+".next", i.Key.File()+".next")
		plan.Devices = append(plan.Devices, i.Key.Device())
	}
	for _, a := range w.Trust.Anchors {
		plan.Read = append(plan.Read, string(a.File))
	}
	return plan.Become()
}

// asOwner says of a refusal of the system that this program has become somebody else.
func asOwner(err error) error {
	if note := owner.Note(); note != "" && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (%s)", err, note)
	}
	return err
}

package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"tlagate/cmd/internal/owner"
)

// Written says what a program writes of what its configuration names.
type Written struct {
	Config     string // the configuration itself
	Identities []Identity
	Trust      Trust
	Files      []Path
	Devices    []Path   // used, besides those of the keys
	Groups     []string // needed
}

// BecomeOwner makes a program that root runs become the account that owns what it is going to write: so the service can
// use the files that `enroll` leaves, and the owner of a directory cannot make root write anywhere else. Call it once
// the configuration is read.
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

// asOwner returns err; if the system denied this program something, with a note that it has become another account.
func asOwner(err error) error {
	if note := owner.Note(); note != "" && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (%s)", err, note)
	}
	return err
}

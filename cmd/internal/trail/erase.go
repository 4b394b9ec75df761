package trail

import (
	"tlagate/audit"
	"tlagate/keys"
)

// Erasure runs an erasure, and records each key that it destroys (EL1, EL3), and that it is complete. A trace that
// cannot be written does not hold up the erasure: the log says so.
func (t *Trail) Erasure(erase func(tell func(keys.Event)) error) error {
	err := erase(t.erased)
	if err == nil {
		t.Note(audit.EraseDone)
	}
	return err
}

func (t *Trail) erased(e keys.Event) {
	switch e.Action {
	case keys.Erased:
		t.Note(audit.KeyErased, audit.File(e.Key.Where), audit.Store(string(e.Key.Protection)))
	case keys.WrappingErased:
		t.Note(audit.KeyErased, audit.File(e.Where), audit.Use("wrapping key"))
	}
}

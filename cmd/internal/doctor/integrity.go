package doctor

import "context"

// Integrity checks whether the machine is as its signed manifests say (DL3, EL1). compare returns what was found, or
// what differs; two zero values = there are no manifests.
func Integrity(compare func() (string, error)) Check {
	return Check{"integrity", func(context.Context) Finding {
		switch text, err := compare(); {
		case err != nil:
			return Fail("find out who changed it; restore it, or sign another manifest (docs/integrity.md)", "%v", err)
		case text == "":
			return Warn("name signed manifests under integrity (docs/integrity.md)", "nothing is compared with a signed "+
				"manifest")
		default:
			return Good("%s", text)
		}
	}}
}

package doctor

import "context"

// Integrity returns the check whether the machine is as its signed manifests say (DL3, EL1), if there are any. compare
// returns what was found, or what differs.
func Integrity(configured bool, compare func() (string, error)) []Check {
	if !configured {
		return nil
	}
	return []Check{{Name: "integrity", Run: func(context.Context) Finding {
		text, err := compare()
		if err != nil {
			return Fail("find out who changed it; restore it, or sign another manifest (docs/integrity.md)", "%v", err)
		}
		return Good("%s", text)
	}}}
}

//go:build !linux

package doctor

import "errors"

var errElsewhere = errors.New("not on this system")

func kernelClock() (bool, error) { return false, errElsewhere }

func owning(string) (uid, gid string, err error) { return "", "", errElsewhere }

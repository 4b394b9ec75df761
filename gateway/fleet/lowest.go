package fleet

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"tlagate/pki"
	"tlagate/session/link"
)

// Lowest says which versions of the devices' programs are let in. The zero Lowest lets in all.
type Lowest struct {
	versions map[pki.Role]release
	known    bool // a device whose version is not known is refused
}

// Programs are those that a device of a role may run.
var Programs = map[pki.Role]string{pki.RoleTLA: link.ProgramRelay, pki.RolePdT: link.ProgramPdT}

// ParseLowest reads the lowest version of each program, as in {"tla-relay": "0.1.0"}; with known, a program of these
// that reports no version, or one that is no release's, is refused too.
func ParseLowest(versions map[string]string, known bool) (Lowest, error) {
	l := Lowest{versions: map[pki.Role]release{}, known: known}
	var errs []error
	for role, program := range Programs {
		if text, ok := versions[program]; ok {
			v, ok := parseRelease(text)
			if !ok || v.before {
				errs = append(errs, fmt.Errorf("%s: cannot read %q: want a release, as in 0.1.0", program, text))
			}
			l.versions[role] = v
		}
	}
	for program := range versions {
		if program != link.ProgramRelay && program != link.ProgramPdT {
			errs = append(errs, fmt.Errorf("%q is no program of devices: want %s or %s", program, link.ProgramRelay,
				link.ProgramPdT))
		}
	}
	if known && len(versions) == 0 {
		errs = append(errs, errors.New("require_version says nothing without min_version"))
	}
	return l, errors.Join(errs...)
}

// release is the version of a program: three numbers, and whether it came before the release of these numbers.
type release struct {
	numbers [3]uint64
	before  bool
}

var releaseForm = regexp.MustCompile(`^v?([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})([-~][0-9A-Za-z.+~-]*)?` +
	`(\+[0-9A-Za-z.+~-]*)?$`)

// parseRelease reads a version as Semantic Versioning and Debian write it: 1.2.3, v1.2.3-rc1, 1.2.3~rc1, 1.2.3+git7.
func parseRelease(text string) (v release, ok bool) {
	m := releaseForm.FindStringSubmatch(text)
	if m == nil {
		return v, false
	}
	for i := range v.numbers {
		v.numbers[i], _ = strconv.ParseUint(m[1+i], 10, 64) // nine digits
	}
	v.before = m[4] != ""
	return v, true
}

func (v release) less(than release) bool {
	if c := slices.Compare(v.numbers[:], than.numbers[:]); c != 0 {
		return c < 0
	}
	return v.before && !than.before
}

func (v release) String() string {
	return fmt.Sprintf("%d.%d.%d", v.numbers[0], v.numbers[1], v.numbers[2])
}

// Late reports whether a device of that role that says this of itself is below the lowest version; unknown, that it
// says nothing that could be compared, and that such are refused.
func (l Lowest) Late(role pki.Role, s link.Software) (late, unknown bool) {
	lowest, ok := l.versions[role]
	if !ok {
		return false, false
	}
	v, ok := parseRelease(s.Version)
	if !ok || s.Program != Programs[role] {
		return false, l.known
	}
	return v.less(lowest), false
}

// Of returns the lowest version of the program that a device of that role runs, as in "tla-relay 0.1.0".
func (l Lowest) Of(role pki.Role) string { return Programs[role] + " " + l.versions[role].String() }

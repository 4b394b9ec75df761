package cli

import (
	"errors"
	"fmt"
	"strings"
)

// Faults are all that is wrong with a configuration that could be read as YAML: they are reported all at once.
type Faults struct {
	File string
	List []error // not empty
}

// Error names the file and each fault; several faults have a line each.
func (f *Faults) Error() string {
	about := "cannot use the configuration " + f.File + ": "
	if len(f.List) == 1 {
		return about + f.List[0].Error()
	}
	lines := []string{fmt.Sprintf("%s%d faults", about, len(f.List))}
	for _, fault := range f.List {
		lines = append(lines, "  "+fault.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults.
func (f *Faults) Unwrap() []error { return f.List }

// FaultsOf returns the errors of which [LoadYAML] or errors.Join made err; any other error is returned alone.
func FaultsOf(err error) []error {
	if err == nil {
		return nil
	}
	e, ok := err.(interface{ Unwrap() []error })
	if !ok || !saysOnly(err, e.Unwrap()) {
		return []error{err}
	}
	var all []error
	for _, one := range e.Unwrap() {
		all = append(all, FaultsOf(one)...)
	}
	return all
}

// saysOnly reports whether err says no more than its parts do.
func saysOnly(err error, parts []error) bool {
	_, whole := err.(*Faults)
	return whole || err.Error() == errors.Join(parts...).Error()
}

// Usable reports, by the error of LoadYAML, whether what the configuration names can be looked at, though it may have
// faults.
func Usable(err error) bool { return err == nil || errors.As(err, new(*Faults)) }

// unread is the error of a configuration that could not be read at all.
type unread struct{ error }

// Unwrap returns why.
func (u unread) Unwrap() error { return u.error }

// unusable reports whether err is one of LoadYAML.
func unusable(err error) bool {
	return errors.As(err, new(*Faults)) || errors.As(err, new(unread))
}

// faults returns errs as the faults of a file; nil = there are none.
func faults(file string, errs ...error) error {
	list := FaultsOf(errors.Join(errs...))
	if len(list) == 0 {
		return nil
	}
	return &Faults{file, list}
}

package ifd

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Library is where the driver is installed.
const Library = "/usr/lib/pcsc/drivers/serial/libtlagate-ifd.so"

// MostEntries is how many readers a pcscd has at most.
const MostEntries = 16

// Entry is a reader in pcscd's configuration. Programs see it as its Name and " NN 00", NN being its place in the list
// in hexadecimal.
type Entry struct {
	Name        string // as "tlagate Vitale"
	Socket      string // of the tla-pdt whose card it shows
	Owner       string // the account that this tla-pdt runs as, by name or uid
	Slot        int
	Placeholder bool // it never has a card, and keeps the place of one that had
}

// These are what pcscd's parser and the driver's take.
var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._()-]{0,63}$`)
	ownerForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)
	socketForm = regexp.MustCompile(`^/[A-Za-z0-9._@=/-]{1,106}$`)
)

// Check says what is wrong with an entry.
func (e Entry) Check() error {
	if !nameForm.MatchString(e.Name) {
		return fmt.Errorf("cannot name a reader %q: want 1 to 64 letters, digits, spaces and . _ - ( )", e.Name)
	}
	if e.Placeholder {
		return nil
	}
	if !ownerForm.MatchString(e.Owner) {
		return fmt.Errorf("cannot name %q as the owner of the reader %q: want an account of 1 to 32 letters, digits "+
			"and . _ -, or a uid", e.Owner, e.Name)
	}
	if e.Slot < 0 || e.Slot > 9 {
		return fmt.Errorf("cannot use slot %d for the reader %q: want 0 to 9", e.Slot, e.Name)
	}
	return checkSocket(e.Socket)
}

// checkSocket refuses a path that the driver could not dial.
func checkSocket(p string) error {
	if !socketForm.MatchString(p) || path.Clean(p) != p {
		return fmt.Errorf("cannot use %q as the reader driver's socket: want an absolute path of at most 107 letters, "+
			"digits and . _ - @ = /", p)
	}
	return nil
}

// CheckEntries says what is wrong with a list of entries.
func CheckEntries(entries []Entry) error {
	var errs []error
	if len(entries) > MostEntries {
		errs = append(errs, fmt.Errorf("cannot have %d readers in one pcscd: it has at most %d, and drops the others "+
			"in silence; use another pcscd for the rest", len(entries), MostEntries))
	}
	for _, e := range entries {
		errs = append(errs, e.Check())
	}
	return errors.Join(errs...)
}

// ReaderConf returns the file of reader.conf.d with all readers of a pcscd, in this order. It writes an entry that does
// not pass Check as a placeholder, so that those after it keep their names.
func ReaderConf(entries []Entry) []byte {
	var b bytes.Buffer
	b.WriteString("# The readers of tlagate, in the order of their numbers: append new ones, and turn one that is no " +
		"longer\n# wanted into a placeholder (ifd:none), or the names of the others change. Restart pcscd after a " +
		"change.\n")
	for i, e := range entries {
		fmt.Fprintf(&b, "\nFRIENDLYNAME %q\nDEVICENAME %s\nLIBPATH %s\nCHANNELID 0x%X\n",
			e.name(), e.device(), Library, i)
	}
	return b.Bytes()
}

func (e Entry) name() string {
	if !nameForm.MatchString(e.Name) {
		return "tlagate"
	}
	return e.Name
}

func (e Entry) device() string {
	if e.Placeholder || e.Check() != nil {
		return "ifd:none"
	}
	return fmt.Sprintf("ifd:%d:%s:%s", e.Slot, e.Owner, e.Socket)
}

// ReadEntries reads what ReaderConf wrote. It refuses a file that has anything else in it but comments: a reader that
// was overlooked would change the names of those behind it.
func ReadEntries(conf []byte) (entries []Entry, err error) {
	for _, block := range strings.Split("\n"+string(conf), "\nFRIENDLYNAME ")[1:] {
		e, ok := readEntry(block)
		if !ok || e.Check() != nil {
			return nil, fmt.Errorf("cannot understand its reader %.80q: want those of tlagate alone, as written by it",
				block)
		}
		entries = append(entries, e)
	}
	if !slices.Equal(content(conf), content(ReaderConf(entries))) {
		return nil, errors.New("cannot understand it: want the readers of tlagate alone, as written by it")
	}
	return entries, nil
}

// content returns the lines of a configuration, without comments.
func content(conf []byte) (lines []string) {
	for line := range strings.Lines(string(conf)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

// readEntry reads an entry after its first word.
func readEntry(block string) (e Entry, ok bool) {
	lines := strings.Split(block, "\n")
	if len(lines) < 4 {
		return e, false
	}
	name, err := strconv.Unquote(lines[0])
	device, isDevice := strings.CutPrefix(lines[1], "DEVICENAME ifd:")
	if err != nil || !isDevice || lines[2] != "LIBPATH "+Library {
		return e, false
	}
	if e.Name = name; device == "none" {
		e.Placeholder = true
		return e, true
	}
	parts := strings.SplitN(device, ":", 3)
	if len(parts) != 3 {
		return e, false
	}
	e.Owner, e.Socket = parts[1], parts[2]
	e.Slot, err = strconv.Atoi(parts[0])
	return e, err == nil
}

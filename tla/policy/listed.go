package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// File is a file of a card of which more is read before a program asks for it: that is what programs do with it once
// they have selected it.
type File struct {
	File string `yaml:"file" json:"file"` // identifier or path, hexadecimal, as in the data of SELECT
	// AIDs of the applications that have it, or "none", as in a rule; absent = any
	Apps []string `yaml:"apps,omitempty" json:"apps,omitempty"`
	// octets of the first READ BINARY, which is at 0; 0 = it has records
	Read int `yaml:"read,omitempty" json:"read,omitempty"`
	// how many records it has, which are read by their numbers, one after the other; 0 = it has none
	Records int `yaml:"records,omitempty" json:"records,omitempty"`
}

// listed is a File that was checked.
type listed struct {
	data    string // of SELECT
	apps    map[string]bool
	read    int
	records int
}

const (
	insReadRecord = 0xB2

	maxListed = 64
	maxRecord = 0xFE
)

func readFiles(files []File) (list []*listed, err error) {
	if len(files) > maxListed {
		return nil, fmt.Errorf("files: there are %d, want at most %d", len(files), maxListed)
	}
	for i, w := range files {
		f, err := w.compile()
		if err == nil && f.hiddenBy(list) {
			err = errors.New("an entry before it has the same file")
		}
		if err != nil {
			return nil, fmt.Errorf("files[%d] %q: %w", i, w.File, err)
		}
		list = append(list, f)
	}
	return list, nil
}

func (w File) compile() (*listed, error) {
	data, err := hex.DecodeString(w.File)
	if err != nil || len(data) < 2 || len(data) > maxAID || len(data)%2 != 0 {
		return nil, errors.New("file: want an identifier of 2 octets in hexadecimal, or a path of at most 16")
	}
	f := &listed{data: string(data), read: w.Read, records: w.Records}
	if f.apps, err = readApps(w.Apps); err != nil {
		return nil, fmt.Errorf("apps: %w", err)
	}
	reads, records := w.Read != 0, w.Records != 0
	if reads == records || w.Read < 0 || w.Read > 256 || w.Records < 0 || w.Records > maxRecord {
		return nil, fmt.Errorf("want either read: 1 to 256 octets, or records: 1 to %d", maxRecord)
	}
	return f, nil
}

// hiddenBy reports whether one of a list is the same file, perhaps of other applications, too.
func (f *listed) hiddenBy(list []*listed) bool {
	for _, before := range list {
		if before.data != f.data {
			continue
		}
		if before.apps == nil || f.apps == nil {
			return true
		}
		for app := range f.apps {
			if before.apps[app] {
				return true
			}
		}
	}
	return false
}

// listedAs returns the entry of the file that a SELECT names, with that application selected after it; nil = none.
func (p *profile) listedAs(c command, app string) *listed {
	if c.p2&0x03 != 0 || c.p1 != 0x00 && c.p1 != 0x02 && c.p1 != 0x08 && c.p1 != 0x09 {
		return nil
	}
	for _, f := range p.files {
		if f.data == string(c.data) && (f.apps == nil || f.apps[app]) {
			return f
		}
	}
	return nil
}

// byNumber reports whether a READ RECORD reads one record of the current file by its number. That moves no record
// pointer (ISO 7816-4, annex C of 1995).
func (c command) byNumber() bool {
	return c.ins == insReadRecord && c.p2 == 0x04 && c.p1 >= 1 && c.p1 <= maxRecord && len(c.data) == 0 && c.le > 0 &&
		!c.extended
}

package integrity

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Why is one stable word for how something is not as a manifest says.
type Why string

// The words (docs/troubleshooting.md). A manifest that cannot be used has one of the reasons of package bundle.
const (
	Changed    Why = "changed"    // another content
	Missing    Why = "missing"    // nothing is there
	Extra      Why = "extra"      // something is there that must not be
	OtherKind  Why = "kind"       // a link in place of a file, and so on
	OtherMode  Why = "mode"       // other permissions
	OtherOwner Why = "owner"      // another owner or group
	OtherLink  Why = "link"       // a link leads elsewhere
	Unreadable Why = "unreadable" // it cannot be read
	Unlisted   Why = "unlisted"   // the program that runs is in no manifest
	OtherName  Why = "other_name" // a manifest has another name than the one before it in its place
)

// Difference is one thing that is not as a manifest says.
type Difference struct {
	Path     string `json:"path"`
	Why      Why    `json:"why"`
	Want     string `json:"want,omitempty"`
	Found    string `json:"found,omitempty"`
	Manifest string `json:"manifest,omitempty"` // its file; "" = it is about no manifest in particular
}

// String returns it in a sentence.
func (d Difference) String() string {
	text := d.Path + ": " + string(d.Why)
	switch {
	case d.Manifest == d.Path && d.Want == "": // the manifest itself
		text += ": " + d.Found
	case d.Want != "" || d.Found != "":
		text += fmt.Sprintf(" (want %s, found %s)", cmp.Or(d.Want, "nothing"), cmp.Or(d.Found, "nothing"))
	}
	return text
}

// Finding is a line of a manifest, and what differs there.
type Finding struct {
	Entry
	Manifest string      // its file
	Differs  *Difference // nil = nothing
}

// maxExtra is how many names a directory may have beyond those that are listed before the rest is passed over.
const maxExtra = 256

// compare compares the files below a root with a manifest.
func (m *Manifest) compare(root, manifest string) (all []Finding) {
	below := m.below()
	for _, e := range m.Files {
		d := e.compare(root)
		all = append(all, Finding{e, manifest, d})
		if e.Kind == Dir && (d == nil || d.Why == OtherMode || d.Why == OtherOwner) {
			all = append(all, extras(root, e.Path, manifest, below[e.Path])...)
		}
	}
	for i := range all {
		if all[i].Differs != nil {
			all[i].Differs.Manifest = manifest
		}
	}
	return all
}

// below returns the names that are listed in each directory.
func (m *Manifest) below() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, e := range m.Files {
		dir, name := filepath.Split(e.Path)
		dir = filepath.Clean(dir)
		if all[dir] == nil {
			all[dir] = map[string]bool{}
		}
		all[dir][name] = true
	}
	return all
}

func (e Entry) compare(root string) *Difference {
	if e.Kind == Any {
		return nil
	}
	found, err := look(root, e.Path, &e)
	if err != nil {
		return &Difference{Path: e.Path, Why: Unreadable, Found: plain(err)}
	}
	return e.differs(found)
}

// differs returns what differs: by the word for the gravest of it, and with all of it in Want and Found, so that
// something else is told from what was recorded.
func (e Entry) differs(found Entry) (d *Difference) {
	if e.Kind != found.Kind {
		return e.otherKind(found)
	}
	for _, c := range []struct {
		why         Why
		want, found string
		differs     bool
	}{
		{Changed, e.content(), found.content(), e.content() != found.content()},
		{OtherLink, e.To, shown(found.To), e.To != found.To},
		{OtherMode, e.Mode, found.Mode, e.Mode != "" && e.Mode != found.Mode},
		{OtherOwner, e.Owner, found.Owner, e.Owner != "" && found.Owner != "" && e.Owner != found.Owner},
	} {
		switch {
		case c.differs && d == nil:
			d = &Difference{Path: e.Path, Why: c.why, Want: c.want, Found: c.found}
		case c.differs:
			d.Want, d.Found = d.Want+", "+c.want, d.Found+", "+c.found
		}
	}
	return d
}

func (e Entry) otherKind(found Entry) *Difference {
	switch {
	case found.Kind == Absent:
		return &Difference{Path: e.Path, Why: Missing, Want: string(e.Kind)}
	case e.Kind == Absent:
		return &Difference{Path: e.Path, Why: Extra, Found: string(found.Kind)}
	}
	return &Difference{Path: e.Path, Why: OtherKind, Want: string(e.Kind), Found: string(found.Kind)}
}

// content returns a word for what is in a file: its SHA-256, or, of one that was not read, its size.
func (e Entry) content() string {
	if e.Kind == File && e.SHA256 == "" {
		return fmt.Sprintf("%d octets", e.Size)
	}
	return e.SHA256
}

// extras returns what is in a directory and not listed.
func extras(root, dir, manifest string, listed map[string]bool) (all []Finding) {
	names, err := namesIn(filepath.Join(root, dir), len(listed)+maxExtra)
	if err != nil {
		d := &Difference{Path: dir, Why: Unreadable, Found: plain(err)}
		return []Finding{{Entry{Path: dir, Kind: Dir}, manifest, d}}
	}
	slices.Sort(names)
	for _, name := range names {
		if !listed[name] {
			path := filepath.Join(dir, shown(name))
			all = append(all, Finding{Entry{Path: path, Kind: Absent}, manifest, &Difference{Path: path, Why: Extra}})
		}
	}
	return all
}

// shown returns a name that was found, quoted if it would not be printed, or kept in the state, as it is.
func shown(name string) string {
	if name == "" || goodPath(name) && !strings.ContainsAny(name, `"\`) {
		return name
	}
	return strconv.QuoteToGraphic(name)
}

// plain returns what an error says of a file without its name.
func plain(err error) string {
	parts := strings.Split(err.Error(), ": ")
	return parts[len(parts)-1]
}

package integrity

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Gathering says what a manifest is to list.
type Gathering struct {
	Root   string   // where the files are, as a package's tree; "" = /
	Paths  []string // files and whole directories; one that is not there must stay so. None = all files below Root
	Except []string // paths that a manifest lists as any: what changes by itself, such as certificates
	Owner  string   // of everything, USER:GROUP; "" = as found below /, any elsewhere
}

// Gather returns the lines of a manifest of files as they are now.
func (g Gathering) Gather() ([]Entry, error) {
	var err error
	if g.Paths, err = clean(g.Paths); err != nil {
		return nil, err
	}
	if g.Except, err = clean(g.Except); err != nil {
		return nil, err
	}
	all := map[string]Entry{}
	if err := g.list(all); err != nil {
		return nil, err
	}
	return sorted(all), nil
}

func clean(paths []string) (cleaned []string, err error) {
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("cannot list %s: it is relative; give its absolute path, as it is on the machine",
				shown(path))
		}
		cleaned = append(cleaned, filepath.Clean(path))
	}
	return cleaned, nil
}

func (g Gathering) list(all map[string]Entry) error {
	if len(g.Paths) == 0 {
		return g.tree(all)
	}
	for _, path := range g.Paths {
		if err := g.add(all, path); err != nil {
			return err
		}
	}
	return g.except(all)
}

// except lists each exception, also one that is not there yet; one that is in nothing listed would except nothing.
func (g Gathering) except(all map[string]Entry) error {
	for _, path := range g.Except {
		if !slices.ContainsFunc(g.Paths, func(listed string) bool { return within(path, listed) }) {
			return fmt.Errorf("cannot except %s: it is in nothing that is listed", shown(path))
		}
		all[path] = Entry{Path: path, Kind: Any}
	}
	return nil
}

// within reports whether a path is another, or below it.
func within(path, top string) bool {
	return path == top || strings.HasPrefix(path, strings.TrimSuffix(top, "/")+"/")
}

func sorted(all map[string]Entry) (list []Entry) {
	for _, path := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[path])
	}
	return list
}

// tree adds every file and link below the root, as a package brings them: others may have files in the same
// directories.
func (g Gathering) tree(all map[string]Entry) error {
	if g.Root == "" {
		return fmt.Errorf("cannot make a manifest of the whole machine: name paths, or a package's tree as root")
	}
	return filepath.WalkDir(g.Root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		path, err := filepath.Rel(g.Root, name)
		if err != nil {
			return err
		}
		if path = "/" + filepath.ToSlash(path); g.excepted(path) {
			return nil
		}
		return g.one(all, path)
	})
}

func (g Gathering) excepted(path string) bool { return slices.Contains(g.Except, path) }

// add adds a path, and all below it.
func (g Gathering) add(all map[string]Entry, path string) error {
	if g.excepted(path) {
		return nil
	}
	if err := g.one(all, path); err != nil || all[path].Kind != Dir {
		return err
	}
	list, err := os.ReadDir(filepath.Join(g.Root, path))
	if err != nil {
		return fmt.Errorf("cannot list %s: %w", path, err)
	}
	for _, below := range list {
		if err := g.add(all, filepath.Join(path, below.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (g Gathering) one(all map[string]Entry, path string) error {
	e, err := look(g.Root, path, nil)
	if err != nil {
		return fmt.Errorf("cannot list %s: %w", path, err)
	}
	if g.Root != "" || e.Kind == Absent {
		e.Owner = ""
	}
	if g.Owner != "" && e.Kind != Absent {
		e.Owner = g.Owner
	}
	if err := e.check(); err != nil {
		return fmt.Errorf("cannot list %s: %w; except it", path, err)
	}
	all[path] = e
	return nil
}

package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlagate/internal/files"
)

const usualReaders = "/etc/reader.conf.d"

// entry is one reader of pcscd's configuration.
type entry struct {
	name, lib, device string
	file              string
}

// configured returns the readers of the usual configuration, of that beside ours, and of the pcscd's that run with
// others.
func (d Driver) configured() (all []entry) {
	dirs := []string{usualReaders}
	if d.Beside != "" {
		dirs = append(dirs, d.Beside)
	}
	for _, p := range d.pcscds() { // another account could name anything, as one of its own
		if dir := p.readers(); d.isRoot(p.uid) && filepath.IsAbs(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		list, _ := os.ReadDir(d.path(dir)) // in order
		for _, file := range list {
			all = append(all, readEntries(filepath.Join(d.path(dir), file.Name()))...)
		}
	}
	return all
}

// maxReaderConf is the largest file of reader.conf(5) that is read, in octets.
const maxReaderConf = 1 << 20

// readers returns where a pcscd has its configuration.
func (p process) readers() string {
	for i, arg := range p.args {
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			return value
		}
		if (arg == "--config" || arg == "-c") && i+1 < len(p.args) {
			return p.args[i+1]
		}
	}
	return usualReaders
}

// readEntries reads a file of reader.conf(5): a FRIENDLYNAME begins an entry.
func readEntries(file string) (all []entry) {
	raw, err := files.ReadRegular(file, maxReaderConf)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(raw)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if tab := strings.IndexByte(key, '\t'); tab >= 0 {
			key, value = key[:tab], key[tab:]+" "+value
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if key == "FRIENDLYNAME" {
			all = append(all, entry{name: value, file: file})
		}
		if n := len(all) - 1; n >= 0 {
			switch key {
			case "LIBPATH":
				all[n].lib = value
			case "DEVICENAME":
				all[n].device = value
			}
		}
	}
	return all
}

package doctor

import (
	"os"
	"slices"
	"strings"
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
	for _, p := range d.processes("pcscd") {
		if dir := p.readers(); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		for _, file := range d.glob(dir + "/*") {
			all = append(all, readEntries(file)...)
		}
	}
	return all
}

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
	raw, err := os.ReadFile(file)
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

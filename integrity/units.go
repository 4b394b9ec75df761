package integrity

import (
	"path/filepath"
	"strings"
)

// unitDirs is where systemd looks for units of the system and for their drop-ins (systemd.unit(5)), but for what its
// generators make at each boot.
var unitDirs = []string{"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
	"/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system", "/run/systemd/system.attached",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}

// UnitPaths returns every place from which systemd takes something of a unit: its file, and the directories of its
// drop-ins, those that it shares with other units included.
func UnitPaths(unit string) (paths []string) {
	for _, dir := range unitDirs {
		for _, name := range unitNames(unit) {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths
}

// unitNames returns what belongs to a unit in a directory: for tla-pdt@a.service that and tla-pdt@.service, with .d
// behind each, tla-.service.d, and service.d.
func unitNames(unit string) (names []string) {
	kind := filepath.Ext(unit)
	stem := strings.TrimSuffix(unit, kind)
	names = []string{unit, unit + ".d"}
	if template, _, of := strings.Cut(stem, "@"); of {
		stem = template
		if whole := template + "@" + kind; whole != unit {
			names = append(names, whole, whole+".d")
		}
	}
	for i, r := range stem {
		if r == '-' && i < len(stem)-1 {
			names = append(names, stem[:i+1]+kind+".d")
		}
	}
	return append(names, strings.TrimPrefix(kind, ".")+".d")
}

package integrity

import (
	"path/filepath"
	"slices"
	"strings"
)

// unitDirs is where systemd looks for units of the system and for their drop-ins (systemd.unit(5)), but for what its
// generators make at each boot.
var unitDirs = []string{"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
	"/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system", "/run/systemd/system.attached",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}

// managerPaths is from where systemd takes what holds for every unit, its environment above all, and what the dynamic
// linker adds to every program. Generators are programs that may make units and drop-ins; those of packages, in
// /usr/lib, come and go with updates.
var managerPaths = []string{
	"/etc/systemd/system.conf", "/run/systemd/system.conf",
	"/usr/local/lib/systemd/system.conf", "/usr/lib/systemd/system.conf",
	"/etc/systemd/system.conf.d", "/run/systemd/system.conf.d",
	"/usr/local/lib/systemd/system.conf.d", "/usr/lib/systemd/system.conf.d",
	"/etc/systemd/system-generators", "/run/systemd/system-generators",
	"/usr/local/lib/systemd/system-generators",
	"/etc/systemd/system-environment-generators", "/run/systemd/system-environment-generators",
	"/usr/local/lib/systemd/system-environment-generators",
	"/etc/ld.so.preload",
}

// UnitPaths returns every place from which systemd takes something of a unit: its file, and the directories of its
// drop-ins, those that it shares with other units included; and what holds for all units.
func UnitPaths(unit string) (paths []string) {
	for _, dir := range unitDirs {
		for _, name := range unitNames(unit) {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return append(paths, managerPaths...)
}

// HasUnit reports whether a list has the file of a unit, or of its template.
func HasUnit(list []Entry, unit string) bool {
	names := unitNames(unit)
	return slices.ContainsFunc(list, func(e Entry) bool {
		base := filepath.Base(e.Path)
		return e.Kind != Absent && filepath.Ext(base) == filepath.Ext(unit) && slices.Contains(names, base)
	})
}

// unitNames returns what belongs to a unit in a directory: for tla-pdt@a.service that and tla-pdt@.service, with .d
// behind each, the same of its prefix (tla-@a.service.d, tla-@.service.d, tla-.service.d), and service.d.
func unitNames(unit string) (names []string) {
	kind := filepath.Ext(unit)
	stem, instance, of := strings.Cut(strings.TrimSuffix(unit, kind), "@")
	variants := []string{""}
	if of {
		variants = []string{"@" + instance, "@", ""}
	}
	for _, v := range variants {
		if v != "" || !of {
			names = append(names, stem+v+kind, stem+v+kind+".d")
		}
		for i, r := range stem {
			if r == '-' && i < len(stem)-1 {
				names = append(names, stem[:i+1]+v+kind+".d")
			}
		}
	}
	slices.Sort(names)
	return append(slices.Compact(names), strings.TrimPrefix(kind, ".")+".d") // of tla-pdt@.service, some are twice
}

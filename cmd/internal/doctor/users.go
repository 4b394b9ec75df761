package doctor

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

const screenUnit = "tla-relay-ui.service"

// Users returns the check that somebody may start and stop a session: that the group has members, by the system's
// files. The user of the screen's unit does not count, unless the screen is there for people to act at.
func (s System) Users(group string) Check {
	return s.linux("group of the users", func() Finding { return s.users(group) })
}

func (s System) users(group string) Finding {
	if group == "" {
		return Warn("set control.group, and add the users to it", "root and the relay's own user alone may start a "+
			"session")
	}
	members, err := Members(s.path("/etc/group"), s.path("/etc/passwd"), group)
	if err != nil {
		return Fail("groupadd --system "+group, "%v", err)
	}
	screen := setting(s.unit(screenUnit), "User")
	people := slices.DeleteFunc(slices.Clone(members), func(name string) bool { return name == screen })
	add := fmt.Sprintf("usermod -aG %s USER, who logs in again", group)
	switch {
	case len(people) > 0:
		return Good("in the group %s: %v", group, people)
	case len(members) == 0:
		return Warn(add, "nobody is in the group %s: only root may start a session", group)
	case s.wanted(screenUnit):
		return Good("in the group %s: %s, the screen's own user; people act at the screen, which starts with the "+
			"machine", group, screen)
	}
	return Warn(add+"; or have the screen: systemctl enable --now tla-relay-ui",
		"only the screen's own user %s is in the group %s, and the screen is not enabled: only root may start a "+
			"session", screen, group)
}

// wanted reports whether a unit is enabled, that is, wanted or required by another.
func (s System) wanted(unit string) bool {
	return len(s.glob("/etc/systemd/system/*.wants/"+unit))+len(s.glob("/etc/systemd/system/*.requires/"+unit)) > 0
}

// Members returns the users of a group, by the system's files; it is an error if there is no such group. Members that a
// directory service adds are not seen.
func Members(groups, users, name string) (members []string, err error) {
	gid := ""
	for _, f := range colons(groups) {
		if len(f) > 3 && f[0] == name {
			gid = f[2]
			members = append(members, strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' })...)
		}
	}
	if gid == "" {
		return nil, fmt.Errorf("there is no group %s", name)
	}
	for _, f := range colons(users) {
		if len(f) > 3 && f[3] == gid && !slices.Contains(members, f[0]) {
			members = append(members, f[0])
		}
	}
	return members, nil
}

func colons(file string) (lines [][]string) {
	raw, _ := os.ReadFile(file)
	for line := range strings.Lines(string(raw)) {
		lines = append(lines, strings.Split(strings.TrimSpace(line), ":"))
	}
	return lines
}

// Package host compares the machine with what it was the last time (annex codes
// EL1, DL3), at a program's start and while it runs: kernel, OS release, image,
// the program's own file, installed packages. Each difference is an event of the
// audit trace. It executes nothing.
//
// What it saw is in a small file beside the trace. Anybody who may write that
// file can hide a change, like anybody who may write the trace: docs/audit.md
// says what that means.
package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tlagate/audit"
)

// Config says what is compared. Only tests set Root and Program.
type Config struct {
	State   string     // file with what was seen, such as /var/lib/tla-relay/audit.jsonl.host
	Log     *audit.Log // gets the events
	Root    string     // where /etc, /proc and /var are; "" = /
	Program string     // our own file; "" = /proc/self/exe: the file that runs, even if another now has its name
	Again   bool       // this run has compared before: below
	Covered bool       // signed manifests list files of this machine, in place of packages that cannot be known
}

// Compare looks at the machine, records each difference from the last time, and saves what it saw. The first time it
// records a baseline. An error of the trace leaves the saved state as it was, so that the next comparison records the
// differences again. What cannot change while the program runs (kernel, image, its own file) is not looked at Again;
// that the packages are unknown is then recorded if it is news.
func Compare(cfg Config) error {
	last, why, err := load(cfg.State)
	if err != nil {
		return fmt.Errorf("cannot compare this machine with the last start: %w", err)
	}
	now, err := cfg.look(last)
	if err != nil {
		return fmt.Errorf("cannot look at this machine: %w", err)
	}
	if cfg.Covered {
		now.Unknown = ""
	}
	for _, e := range cfg.events(last, now, why) {
		if err := cfg.Log.Record(e.kind, e.attrs...); err != nil {
			return err
		}
	}
	return now.save(cfg.State)
}

// events returns what is recorded of a machine that was last, or nil because of why.
func (c Config) events(last, now *seen, why string) []event {
	list := baseline(now, why)
	if last != nil {
		list = differences(last, now)
	}
	if now.Unknown != "" && !(c.Again && last != nil && last.Unknown == now.Unknown) {
		list = append(list, event{audit.HostPackagesUnknown, []audit.Attr{audit.Reason(now.Unknown)}})
	}
	return list
}

type event struct {
	kind  audit.Kind
	attrs []audit.Attr
}

// baseline returns what the first start records; why says what became of a state that was lost.
func baseline(now *seen, why string) []event {
	return []event{{audit.HostBaseline, []audit.Attr{
		audit.To(now.Kernel + "; " + now.OS), audit.Digest(now.program()),
		audit.Count(len(now.Packages)), audit.Reason(why),
	}}}
}

func differences(last, now *seen) []event {
	var list []event
	for _, c := range []struct {
		kind    audit.Kind
		old, to string
	}{
		{audit.HostKernelChanged, last.Kernel, now.Kernel},
		{audit.HostOSChanged, last.OS, now.OS},
		{audit.HostImageChanged, last.Image, now.Image},
		{audit.HostProgramChanged, last.Program, now.Program},
	} {
		if c.old != c.to && c.old != "" { // an image: the last state may be older than that word
			list = append(list, event{c.kind, []audit.Attr{audit.From(c.old), audit.To(c.to)}})
		}
	}
	return append(list, packageChanges(last, now)...)
}

// packageChanges compares two lists of packages. If there is none now, that is not a thousand removals: the last known
// list stays the one to compare with.
func packageChanges(last, now *seen) []event {
	if now.Packages == nil {
		now.Packages = last.Packages
		return nil
	}
	if last.Packages == nil {
		return []event{{audit.HostBaseline, []audit.Attr{audit.Count(len(now.Packages)),
			audit.Reason("the packages can be read for the first time")}}}
	}
	var added, removed, updated []string
	for name, version := range now.Packages {
		switch old, was := last.Packages[name]; {
		case !was:
			added = append(added, name+" "+version)
		case old != version:
			updated = append(updated, name+" "+old+" > "+version)
		}
	}
	for name, version := range last.Packages {
		if _, is := now.Packages[name]; !is {
			removed = append(removed, name+" "+version)
		}
	}
	return slices.Concat(listed(audit.HostPackagesAdded, added), listed(audit.HostPackagesRemoved, removed),
		listed(audit.HostPackagesUpdated, updated))
}

// listed returns as many events as the names need, in the order of the names.
func listed(kind audit.Kind, names []string) (list []event) {
	slices.Sort(names)
	for _, some := range audit.Lists(names) {
		list = append(list, event{kind, []audit.Attr{audit.Count(len(some)), audit.Names(some)}})
	}
	return list
}

var errNotState = errors.New("it is not a state that this program saved")

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

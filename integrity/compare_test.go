package integrity_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integrity"
)

func remove(b *bed, path string) { require.NoError(b.t, os.RemoveAll(b.at(path))) }

// TestDL3EveryDifferenceIsFound: each kind of change is found, recorded once, and recorded again when it is mended.
func TestDL3EveryDifferenceIsFound(t *testing.T) {
	run := "/run/systemd/system/tla-relay.service.d"
	for _, c := range []struct {
		name   string
		change func(b *bed)
		path   string
		why    integrity.Why
		mend   func(b *bed)
	}{
		{"an octet of the unit", func(b *bed) { b.write(unit, "[service]\n") }, unit, integrity.Changed,
			func(b *bed) { b.write(unit, "[Service]\n") }},
		{"longer", func(b *bed) { b.write(unit, "[Service]\nUser=root\n") }, unit, integrity.Changed,
			func(b *bed) { b.write(unit, "[Service]\n") }},
		{"missing", func(b *bed) { remove(b, unit) }, unit, integrity.Missing,
			func(b *bed) { b.write(unit, "[Service]\n") }},
		{"a drop-in more", func(b *bed) { b.write(dropIns+"/x.conf", "x") }, dropIns + "/x.conf", integrity.Extra,
			func(b *bed) { remove(b, dropIns+"/x.conf") }},
		{"a drop-in changed", func(b *bed) { b.write(dropIns+"/tpm.conf", "x") }, dropIns + "/tpm.conf",
			integrity.Changed,
			func(b *bed) { b.write(dropIns+"/tpm.conf", "[Service]\nDeviceAllow=/dev/tpmrm0\n") }},
		{"drop-ins at run time", func(b *bed) { b.write(run+"/x.conf", "x") }, run, integrity.Extra,
			func(b *bed) { remove(b, run) }},
		{"for all services", func(b *bed) { b.write("/etc/systemd/system/service.d/x.conf", "x") },
			"/etc/systemd/system/service.d", integrity.Extra,
			func(b *bed) { remove(b, "/etc/systemd/system/service.d") }},
		{"mode", func(b *bed) { require.NoError(t, os.Chmod(b.at(unit), 0o666)) }, unit, integrity.OtherMode,
			func(b *bed) { require.NoError(t, os.Chmod(b.at(unit), 0o644)) }},
		{"set-user-ID", func(b *bed) { require.NoError(t, os.Chmod(b.at(unit), 0o644|os.ModeSetuid)) }, unit,
			integrity.OtherMode, func(b *bed) { require.NoError(t, os.Chmod(b.at(unit), 0o644)) }},
		{"mode of a directory", func(b *bed) { require.NoError(t, os.Chmod(b.at(dropIns), 0o777)) }, dropIns,
			integrity.OtherMode, func(b *bed) { require.NoError(t, os.Chmod(b.at(dropIns), 0o755)) }},
		{"a link leads elsewhere", func(b *bed) {
			remove(b, "/usr/bin/relay")
			require.NoError(t, os.Symlink("/tmp/relay", b.at("/usr/bin/relay")))
		}, "/usr/bin/relay", integrity.OtherLink, func(b *bed) {
			remove(b, "/usr/bin/relay")
			require.NoError(t, os.Symlink("tla-relay", b.at("/usr/bin/relay")))
		}},
		{"a link in place of a file", func(b *bed) {
			remove(b, unit)
			require.NoError(t, os.Symlink("/dev/null", b.at(unit)))
		}, unit, integrity.OtherKind, func(b *bed) { remove(b, unit); b.write(unit, "[Service]\n") }},
		{"a pipe in place of a file", func(b *bed) {
			remove(b, unit)
			require.NoError(t, syscall.Mkfifo(b.at(unit), 0o644))
		}, unit, integrity.OtherKind, func(b *bed) { remove(b, unit); b.write(unit, "[Service]\n") }},
		{"a file in place of a directory", func(b *bed) { remove(b, dropIns); b.write(dropIns, "x") }, dropIns,
			integrity.OtherKind, func(b *bed) {
				remove(b, dropIns)
				b.write(dropIns+"/tpm.conf", "[Service]\nDeviceAllow=/dev/tpmrm0\n")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			require.Len(t, b.whole(), 2, "the manifest is taken, and compared with")
			c.change(b)
			b.differs(c.path, c.why)
			c.mend(b)
			lines := b.whole()
			require.Contains(t, lines[0], "integrity.restored count=")
			require.Contains(t, lines[0], c.path)
			require.Len(t, b.whole(), 1)
		})
	}
}

// TestDL3WhatMayChangeMayChange: a path that is listed as any is in no difference, there or not.
func TestDL3WhatMayChangeMayChange(t *testing.T) {
	b := newBed(t)
	b.whole()
	b.write(config, "gateways: [other]\n")
	b.whole()
	remove(b, config)
	b.whole()
}

// TestDL3AnotherContentIsNews: what is changed once more is recorded once more.
func TestDL3AnotherContentIsNews(t *testing.T) {
	b := newBed(t)
	b.write(unit, "[service]\n")
	first := b.differs(unit, integrity.Changed)
	b.write(unit, "[SERVICE]\n")
	second := b.differs(unit, integrity.Changed)
	require.NotEqual(t, first.Found, second.Found)
	require.Equal(t, first.Want, second.Want)
}

// TestDL3TheProgramThatRunsIsListed: the very file that runs has to be in a manifest, whatever now has its name.
func TestDL3TheProgramThatRunsIsListed(t *testing.T) {
	b := newBed(t)
	b.cfg.Program = ""
	d := b.differs(mustExecutable(t), integrity.Unlisted)
	require.Len(t, d.Found, 64)
}

func mustExecutable(t *testing.T) string {
	name, err := os.Executable()
	require.NoError(t, err)
	return name
}

// TestDL3ManyDifferencesAreCounted: a flood of files does not flood the trace.
func TestDL3ManyDifferencesAreCounted(t *testing.T) {
	b := newBed(t)
	b.whole()
	for i := range 1000 {
		b.write(fmt.Sprintf("%s/%04d.conf", dropIns, i), "x")
	}
	lines, err := b.start()
	require.Error(t, err)
	require.Len(t, lines, 64+1+1)
	require.Regexp(t, `^integrity\.differs reason=more count=\d+$`, lines[64])
	require.Less(t, b.said.Len(), 64*1024)
}

// TestDL3TheConfigurationIsCovered, or the log says that it is not.
func TestDL3TheConfigurationIsCovered(t *testing.T) {
	for _, covered := range []bool{true, false} {
		b := newBed(t)
		b.cfg.Configuration = config
		if covered {
			m := b.manifest(2)
			for i, e := range m.Files {
				if e.Path == config {
					list, err := integrity.Gathering{Root: b.root, Paths: []string{config}}.Gather()
					require.NoError(t, err)
					m.Files[i] = list[0]
				}
			}
			b.install(m)
		}
		b.whole()
		require.Equal(t, !covered, strings.Contains(b.said.String(), "no manifest lists the configuration"))
	}
}

// TestDL3WhatCannotBeRecordedIsRecordedLater: without a trace, the comparison fails, and forgets nothing.
func TestDL3WhatCannotBeRecordedIsRecordedLater(t *testing.T) {
	b := newBed(t)
	b.whole()
	b.write(unit, "[service]\n")
	require.NoError(t, os.Chmod(b.log.File(), 0o666))
	_, err := b.start()
	require.ErrorContains(t, err, "cannot record integrity.differs")
	require.NoError(t, os.Chmod(b.log.File(), 0o600))
	b.differs(unit, integrity.Changed)
}

// TestDL3TheStateIsLost: then what is known is recorded anew, and that it was lost.
func TestDL3TheStateIsLost(t *testing.T) {
	b := newBed(t)
	b.whole()
	b.write("/audit.jsonl.integrity", "{")
	lines := b.whole()
	require.Equal(t, "integrity.compared reason=what was kept of the last comparison cannot be read", lines[0])
	require.Equal(t, "integrity.manifest file="+place+" manifest=tla-relay version=1.2", lines[1])
}

// TestDL3AnUnreadableFile: what cannot be read counts as a difference.
func TestDL3AnUnreadableFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	b := newBed(t)
	b.whole()
	require.NoError(t, os.Chmod(b.at(unit), 0))
	b.differs(unit, integrity.Unreadable)
}

func TestDL3ATreeListsItsFilesAlone(t *testing.T) {
	b := newBed(t)
	list, err := integrity.Gathering{Root: b.at("/usr"), Owner: "root:root",
		Except: []string{"/share/tlagate/tla-relay.p7m"}}.Gather()
	require.NoError(t, err)
	var paths []string
	for _, e := range list {
		paths = append(paths, e.Path+" "+string(e.Kind)+" "+e.Owner)
	}
	require.Equal(t, []string{"/bin/relay link root:root", "/bin/tla-relay file root:root",
		"/lib/systemd/system/tla-relay.service file root:root"}, paths)
	_, err = integrity.Gathering{}.Gather()
	require.ErrorContains(t, err, "cannot make a manifest of the whole machine")
	require.NoError(t, syscall.Mkfifo(filepath.Join(b.root, "usr/pipe"), 0o600))
	_, err = integrity.Gathering{Root: b.at("/usr")}.Gather()
	require.ErrorContains(t, err, "cannot list /pipe")
}

// TestDL3ARelativePathIsListedNowhere: whoever names one, to be listed or to be excepted, is told to give the other.
func TestDL3ARelativePathIsListedNowhere(t *testing.T) {
	b := newBed(t)
	for _, g := range []integrity.Gathering{{Root: b.root, Paths: []string{unit, "tla.service"}},
		{Root: b.root, Paths: []string{unit}, Except: []string{"tla.service"}}} {
		_, err := g.Gather()
		require.ErrorContains(t, err, "cannot list tla.service: it is relative; give its absolute path")
	}
}

// TestDL3AnExceptionHolds: however its path is written, and before what it names is there; one that would except
// nothing is refused.
func TestDL3AnExceptionHolds(t *testing.T) {
	b := newBed(t)
	dir := filepath.Dir(config)
	g := integrity.Gathering{Root: b.root, Paths: []string{dir + "/"},
		Except: []string{config + "/", dir + "/new.crt"}}
	list, err := g.Gather()
	require.NoError(t, err)
	for _, path := range []string{config, dir + "/new.crt"} {
		require.Contains(t, list, integrity.Entry{Path: path, Kind: integrity.Any})
	}
	g.Except = []string{dir + "s/new.crt"}
	_, err = g.Gather()
	require.ErrorContains(t, err, "cannot except "+dir+"s/new.crt: it is in nothing that is listed")
}

func TestDL3UnitPaths(t *testing.T) {
	paths := strings.Join(integrity.UnitPaths("tla-pdt@b1.service"), "\n")
	for _, want := range []string{"/etc/systemd/system/tla-pdt@b1.service\n",
		"/run/systemd/system/tla-pdt@b1.service.d",
		"/usr/lib/systemd/system/tla-pdt@.service\n", "/etc/systemd/system/tla-pdt@.service.d",
		"/etc/systemd/system/tla-.service.d", "/etc/systemd/system.control/service.d",
		"/etc/systemd/system/tla-@b1.service.d", "/run/systemd/system/tla-@.service.d",
		"/etc/systemd/system.conf.d", "/etc/ld.so.preload"} {
		require.Contains(t, paths+"\n", want)
	}
}

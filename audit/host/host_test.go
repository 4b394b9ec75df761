package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/host"
)

// machine is a fake root with a trace.
type machine struct {
	t    *testing.T
	root string
	cfg  host.Config
	read int // entries seen so far
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, root: t.TempDir()}
	m.write("proc/sys/kernel/osrelease", "6.1.0-26-amd64\n")
	m.write("proc/sys/kernel/version", "#1 SMP Debian 6.1.112-1\n")
	m.write("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n")
	m.write("proc/self/exe", "program")
	m.packages("libc6 amd64 2.36-9", "curl amd64 7.88-1", "curl i386 7.88-1")
	log, err := audit.Open(audit.Config{File: filepath.Join(m.root, "audit.jsonl"), By: "tla-relay"})
	require.NoError(t, err)
	m.cfg = host.Config{State: filepath.Join(m.root, "audit.jsonl.host"), Log: log, Root: m.root}
	return m
}

func (m *machine) write(name, text string) {
	name = filepath.Join(m.root, name)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(m.t, os.WriteFile(name, []byte(text), 0o600))
}

// packages installs packages, each "name arch version".
func (m *machine) packages(list ...string) {
	var b strings.Builder
	for _, p := range list {
		f := strings.Fields(p)
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nPriority: optional\nArchitecture: %s\nVersion: "+
			"%s\nDescription: a\n b: c\n .\n Version: none\n\n", f[0], f[1], f[2])
	}
	b.WriteString("Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n")
	m.write("var/lib/dpkg/status", b.String())
}

// start compares, and returns the new events: "kind name=value …".
func (m *machine) start() (events []string) {
	require.NoError(m.t, host.Compare(m.cfg))
	n := 0
	for line, err := range audit.Read(m.cfg.Log.File()) {
		require.NoError(m.t, err)
		require.NoError(m.t, line.Err)
		if n++; n > m.read {
			text := string(line.Entry.Event)
			for _, name := range []string{"from", "to", "count", "names", "reason"} {
				if v, ok := line.Entry.With[name]; ok {
					text += " " + name + "=" + v
				}
			}
			events = append(events, text)
		}
	}
	m.read = n
	_, err := audit.VerifyFile(m.cfg.Log.File())
	require.NoError(m.t, err)
	return events
}

const (
	baseline = "host.baseline to=6.1.0-26-amd64 #1 SMP Debian 6.1.112-1; Debian GNU/Linux 12 (bookworm) 12 count=3 " +
		"reason="
)

func TestEL1HostDifferences(t *testing.T) {
	cases := []struct {
		name   string
		change func(m *machine)
		want   []string
	}{
		{"nothing", func(*machine) {}, nil},
		{"kernel", func(m *machine) { m.write("proc/sys/kernel/version", "#1 SMP Debian 6.1.115-1\n") },
			[]string{"host.kernel.changed from=6.1.0-26-amd64 #1 SMP Debian 6.1.112-1 to=6.1.0-26-amd64 #1 SMP " +
				"Debian 6.1.115-1"}},
		{"OS", func(m *machine) { m.write("etc/os-release", "ID=debian\nVERSION_ID=13\nPRETTY_NAME='Debian 13'\n") },
			[]string{"host.os.changed from=Debian GNU/Linux 12 (bookworm) 12 to=Debian 13 13"}},
		{"program", func(m *machine) { m.write("proc/self/exe", "Program") },
			nil},
		{"added", func(m *machine) {
			m.packages("libc6 amd64 2.36-9", "curl amd64 7.88-1", "curl i386 7.88-1", "nmap amd64 7.93", "bc all 1")
		},
			[]string{"host.packages.added count=2 names=bc:all 1, nmap:amd64 7.93"}},
		{"removed", func(m *machine) { m.packages("libc6 amd64 2.36-9", "curl amd64 7.88-1") },
			[]string{"host.packages.removed count=1 names=curl:i386 7.88-1"}},
		{"updated", func(m *machine) { m.packages("libc6 amd64 2.36-9", "curl amd64 7.88-2", "curl i386 7.88-1") },
			[]string{"host.packages.updated count=1 names=curl:amd64 7.88-1 > 7.88-2"}},
		{"all at once", func(m *machine) {
			m.write("proc/sys/kernel/osrelease", "6.12\n")
			m.packages("libc6 amd64 2.41", "bc all 1", "curl i386 7.88-1")
		}, []string{"host.kernel.changed from=6.1.0-26-amd64 #1 SMP Debian 6.1.112-1 to=6.12 #1 SMP Debian 6.1.112-1",
			"host.packages.added count=1 names=bc:all 1", "host.packages.removed count=1 names=curl:amd64 7.88-1",
			"host.packages.updated count=1 names=libc6:amd64 2.36-9 > 2.41"}},
		{"kernel and OS not told", func(m *machine) {
			require.NoError(t, os.RemoveAll(filepath.Join(m.root, "etc")))
			require.NoError(t, os.RemoveAll(filepath.Join(m.root, "proc/sys")))
		}, []string{"host.kernel.changed from=6.1.0-26-amd64 #1 SMP Debian 6.1.112-1 to=unknown unknown",
			"host.os.changed from=Debian GNU/Linux 12 (bookworm) 12 to=unknown"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			require.Equal(t, []string{baseline + "first start with this trace"}, m.start())
			require.Empty(t, m.start())
			c.change(m)
			got := m.start()
			if c.name == "program" {
				require.Len(t, got, 1)
				require.Regexp(t, `^host\.program\.changed from=[0-9a-f]{64} to=[0-9a-f]{64}$`, got[0])
			} else {
				require.Equal(t, c.want, got)
			}
			require.Empty(t, m.start(), "it is told once")
		})
	}
}

// TestEL1HostPackagesUnknown: if the list cannot be read, each start says so, and the comparison continues where it
// was.
func TestEL1HostPackagesUnknown(t *testing.T) {
	m := newMachine(t)
	m.start()
	status := filepath.Join(m.root, "var/lib/dpkg/status")
	require.NoError(t, os.Remove(status))
	for range 2 {
		require.Equal(t, []string{"host.packages.unknown reason=there is no dpkg here, nor opkg"}, m.start())
	}
	require.NoError(t, os.Mkdir(status, 0o700))
	require.Equal(t, []string{"host.packages.unknown reason=the list of packages cannot be read"}, m.start())
	require.NoError(t, os.Remove(status))
	m.packages("libc6 amd64 2.36-9", "curl amd64 7.88-1")
	require.Equal(t, []string{"host.packages.removed count=1 names=curl:i386 7.88-1"}, m.start())
}

// TestEL1HostPackagesKnownLate: packages that could not be read before do not count as added.
func TestEL1HostPackagesKnownLate(t *testing.T) {
	m := newMachine(t)
	require.NoError(t, os.Remove(filepath.Join(m.root, "var/lib/dpkg/status")))
	require.Len(t, m.start(), 2)
	m.packages("libc6 amd64 2.36-9")
	require.Equal(t, []string{"host.baseline count=1 reason=the packages can be read for the first time"}, m.start())
	require.Empty(t, m.start())
}

// TestEL1HostWithoutDpkg: opkg's list is read in its place; packages of an image that dm-verity verifies are known by
// its root hash, and manifests stand in for them.
func TestEL1HostWithoutDpkg(t *testing.T) {
	bare := func(t *testing.T) *machine {
		m := newMachine(t)
		require.NoError(t, os.Remove(filepath.Join(m.root, "var/lib/dpkg/status")))
		return m
	}
	hash := strings.Repeat("0123456789abcdef", 4)
	t.Run("opkg", func(t *testing.T) {
		m := bare(t)
		m.write("usr/lib/opkg/status", "Package: busybox\nVersion: 1.36-r0\nStatus: install user installed\n"+
			"Architecture: cortexa7\n")
		require.Contains(t, m.start()[0], "count=1 ")
		m.write("usr/lib/opkg/status", "Package: busybox\nVersion: 1.37-r0\nStatus: install user installed\n"+
			"Architecture: cortexa7\n")
		require.Equal(t, []string{"host.packages.updated count=1 names=busybox:cortexa7 1.36-r0 > 1.37-r0"}, m.start())
	})
	for name, line := range map[string]string{
		"roothash": "root=/dev/mapper/root roothash=%s ro\n",
		"dm-mod":   `dm-mod.create="vroot,,,ro,0 97 verity 1 /dev/sda1 /dev/sda2 4096 4096 12 1 sha256 %s aa"` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			m := bare(t)
			m.write("proc/cmdline", fmt.Sprintf(line, hash))
			m.write("etc/os-release", "PRETTY_NAME=TLA\nVERSION_ID=1\nIMAGE_ID=tla\nBUILD_ID=7\n")
			require.Len(t, m.start(), 1, "packages are not unknown")
			require.Empty(t, m.start())
			other := strings.Repeat("f", 64)
			m.write("proc/cmdline", fmt.Sprintf(line, other))
			require.Equal(t, []string{"host.image.changed from=tla 7 " + hash + " to=tla 7 " + other}, m.start())
		})
	}
	t.Run("manifests", func(t *testing.T) {
		m := bare(t)
		m.cfg.Covered = true
		require.Len(t, m.start(), 1, "packages are not unknown")
	})
}

// TestEL1HostWhileItRuns: what is unknown is recorded at each start, and while the program runs when it is news.
func TestEL1HostWhileItRuns(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.cfg.Again = true
	require.NoError(t, os.Remove(filepath.Join(m.root, "var/lib/dpkg/status")))
	require.Equal(t, []string{"host.packages.unknown reason=there is no dpkg here, nor opkg"}, m.start())
	require.Empty(t, m.start())
	m.cfg.Again = false
	require.Len(t, m.start(), 1)
}

func TestEL1HostStateLost(t *testing.T) {
	m := newMachine(t)
	m.start()
	for _, text := range []string{"", "{}", `{"kernel":`, `[]`} {
		m.write("audit.jsonl.host", text)
		require.Equal(t, []string{baseline + "what was kept of the last start cannot be read"}, m.start())
		require.Empty(t, m.start())
	}
}

// TestEL1HostManyPackages: an upgrade of the whole system is recorded whole, in several events.
func TestEL1HostManyPackages(t *testing.T) {
	m := newMachine(t)
	var old, upgraded []string
	for i := range 1234 {
		old = append(old, fmt.Sprintf("package-%04d amd64 1.%d", i, i))
		upgraded = append(upgraded, fmt.Sprintf("package-%04d amd64 2.%d", i, i))
	}
	m.packages(old...)
	m.start()
	m.packages(upgraded...)
	got := m.start()
	require.Len(t, got, 25)
	for i := range 1234 {
		require.Contains(t, got[i/50], fmt.Sprintf("package-%04d:amd64 1.%d > 2.%d", i, i, i))
	}
}

// TestEL1HostNotRecordedNotForgotten: what could not be recorded is recorded at the next start.
func TestEL1HostNotRecordedNotForgotten(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.packages("libc6 amd64 2.36-9")
	require.NoError(t, os.Chmod(m.cfg.Log.File(), 0o666))
	require.ErrorContains(t, host.Compare(m.cfg), "cannot record host.packages.removed")
	require.NoError(t, os.Chmod(m.cfg.Log.File(), 0o600))
	require.Equal(t, []string{"host.packages.removed count=2 names=curl:amd64 7.88-1, curl:i386 7.88-1"}, m.start())
}

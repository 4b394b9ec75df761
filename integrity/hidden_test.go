package integrity_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integrity"
)

// TestDL3NoDifferenceHidesAnother: what follows a difference that somebody knows of, at the same path or below it, is
// recorded too.
func TestDL3NoDifferenceHidesAnother(t *testing.T) {
	chmod := func(b *bed, path string, mode os.FileMode) { require.NoError(t, os.Chmod(b.at(path), mode)) }
	for _, c := range []struct {
		name          string
		first, second func(b *bed)
		want          string
	}{
		{"a drop-in in a directory of another mode", func(b *bed) { chmod(b, dropIns, 0o777) },
			func(b *bed) { b.write(dropIns+"/x.conf", "x") }, dropIns + "/x.conf reason=extra"},
		{"a third content, as long as the second", func(b *bed) { b.write(unit, "[Service]\nNice=1\n") },
			func(b *bed) { b.write(unit, "[Service]\nNice=2\n") }, unit + " reason=changed"},
		{"a mode after a content", func(b *bed) { b.write(unit, "[service]\n") },
			func(b *bed) { chmod(b, unit, 0o666) }, ", 0666"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.whole()
			c.first(b)
			_, err := b.start()
			require.Error(t, err)
			c.second(b)
			lines, err := b.start()
			require.Error(t, err)
			require.Len(t, lines, 2)
			require.Contains(t, lines[0], c.want)
		})
	}
}

// TestDL3NamesThatAreNoText: a name of any octets is recorded once, by a name that can be printed, and two such names
// are two.
func TestDL3NamesThatAreNoText(t *testing.T) {
	b := newBed(t)
	b.whole()
	names := []string{"\xff.conf", "\xfe.conf", "a\nb.conf", "\x1b[2J.conf", `\xff.conf`}
	for _, name := range names {
		b.write(dropIns+"/"+name, "x")
	}
	lines, err := b.start()
	require.Error(t, err)
	require.Len(t, lines, len(names)+1)
	require.Contains(t, strings.Join(lines, "\n"), dropIns+`/"\xff.conf" reason=extra`)
	lines, err = b.start()
	require.Error(t, err)
	require.Len(t, lines, 1, "recorded once, and not as restored")
	for _, name := range names {
		remove(b, dropIns+"/"+name)
	}
	require.Contains(t, b.whole()[0], "integrity.restored count=5")
}

// TestDL3LinksThatAreNoText: the same, of where a link leads.
func TestDL3LinksThatAreNoText(t *testing.T) {
	b := newBed(t)
	b.whole()
	remove(b, "/usr/bin/relay")
	require.NoError(t, os.Symlink("\xff\n", b.at("/usr/bin/relay")))
	require.Equal(t, `"\xff\n"`, b.differs("/usr/bin/relay", integrity.OtherLink).Found)
}

// TestDL3NobodyWaitsForAPipe: a pipe in place of a manifest, or of what is kept, is told; it does not stop the
// comparison for ever.
func TestDL3NobodyWaitsForAPipe(t *testing.T) {
	b := newBed(t)
	b.whole()
	remove(b, place)
	require.NoError(t, syscall.Mkfifo(b.at(place), 0o600))
	require.Equal(t, "it is no regular file", b.differs(place, integrity.Unreadable).Found)
	_, err := integrity.ReadFile(b.at(place))
	require.ErrorContains(t, err, "it is no regular file")
	require.NoError(t, os.Remove(b.cfg.State))
	require.NoError(t, syscall.Mkfifo(b.cfg.State, 0o600))
	_, err = b.start()
	require.ErrorContains(t, err, "it is no regular file")
}

// TestDL3APathInTwoManifests: a path that two manifests list differs once, whatever each says of it.
func TestDL3APathInTwoManifests(t *testing.T) {
	b := newBed(t)
	second := "/etc/second.p7m"
	m := b.manifest(1)
	m.Name, m.Files = "second", []integrity.Entry{{Path: unit, Kind: integrity.Absent}}
	b.write(second, string(b.sign(m)))
	b.write(unit, "[Service]\nUser=root\n")
	b.cfg.Manifests = append(b.cfg.Manifests, second)
	b.differs(unit, integrity.Changed)
}

// TestDL3SystemdReadsWhatIsListed asks systemd itself which drop-ins it reads of an instance, out of many: each is
// among those of UnitPaths.
func TestDL3SystemdReadsWhatIsListed(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here: what systemd reads was not asked")
	}
	dir := t.TempDir()
	place := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644))
	}
	place("tla-p-q@.service", "[Service]\nExecStart=/bin/true\n")
	for _, stem := range []string{"tla-p-q", "tla-p-", "tla-p", "tla-", "tla", "q"} {
		for _, instance := range []string{"", "@", "@b-1", "@b-"} {
			place(stem+instance+".service.d/"+stem+instance+".conf", "[Service]\nUnheardOf=1\n")
		}
	}
	place("service.d/all.conf", "[Service]\nUnheardOf=1\n")
	cmd := exec.Command("systemd-analyze", "verify", "--man=no", "tla-p-q@b-1.service")
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir)
	out, _ := cmd.CombinedOutput() // it fails: nobody has heard of that
	listed, read := integrity.UnitPaths("tla-p-q@b-1.service"), 0
	for line := range strings.Lines(string(out)) {
		if file, _, told := strings.Cut(line, ":"); told && strings.Contains(line, "UnheardOf") {
			read++
			require.Contains(t, listed, "/etc/systemd/system/"+filepath.Base(filepath.Dir(file)), line)
		}
	}
	if read == 0 {
		t.Skipf("systemd-analyze read nothing here: %s", out)
	}
}

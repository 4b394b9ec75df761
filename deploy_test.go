package tlagate_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bare is a machine's PATH: the tools of a minimal Debian, and stand-ins for the commands that the scripts of deploy/
// run. Each stand-in adds its command line to a log.
type bare struct {
	t   *testing.T
	dir string
	env []string
}

func newBare(t *testing.T) *bare {
	t.Helper()
	b := &bare{t: t, dir: t.TempDir()}
	for _, tool := range strings.Fields("bash sh cat chmod dirname find grep mkdir mktemp rm sed stat tr wc") {
		path, err := exec.LookPath(tool)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(b.dir, tool)))
	}
	b.env = []string{"PATH=" + b.dir, "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "LOG=" + b.log()}
	b.put("id", "echo 1000")
	b.put("git", "") // git trusts the clone
	b.put("dpkg", `case $1 in --print-architecture) echo amd64 ;; esac`)
	b.put("dpkg-query", "exit 1") // nothing is installed
	b.put("apt-get", "")
	b.putGo("go1.26.0", "")
	return b
}

func (b *bare) log() string { return filepath.Join(b.dir, "log") }

func (b *bare) put(name, script string) {
	text := "#!/bin/sh\necho \"" + name + " $*\" >>\"$LOG\"\n" + script + "\n"
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o755))
}

// putGo puts a stand-in for Go of this version, with its caches in HOME; otherwise is what it does when it is not asked
// for a setting.
func (b *bare) putGo(version, otherwise string) {
	b.put("go", `case "$1 $2" in
"env GOVERSION") echo `+version+` ;;
"env GOCACHE") echo "${GOCACHE-$HOME/build}" ;;
"env GOPATH") echo "${GOPATH-$HOME/go}" ;;
"env GOMODCACHE") echo "${GOPATH-$HOME/go}/pkg/mod" ;;
env*) ;;
*) `+otherwise+`
esac`)
}

func (b *bare) remove(name string) { require.NoError(b.t, os.Remove(filepath.Join(b.dir, name))) }

// run runs a script of deploy/, and returns what it printed and its exit code.
func (b *bare) run(script string, args ...string) (printed string, code int) {
	b.t.Helper()
	cmd := exec.Command(filepath.Join("deploy", script), args...)
	cmd.Env = b.env
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	require.NoError(b.t, err)
	return string(out), 0
}

func (b *bare) ran(command string) bool {
	log, err := os.ReadFile(b.log())
	require.NoError(b.t, err)
	return strings.Contains("\n"+string(log), "\n"+command)
}

const asRoot = "  apt-get update && apt-get install --no-install-recommends gcc pcscd\n"

func TestPrerequisitesSaysAllAtOnce(t *testing.T) {
	b := newBare(t)
	b.putGo("go1.19.8", "")
	printed, code := b.run("prerequisites.sh", "gcc", "pcscd")
	require.Equal(t, 1, code)
	which := filepath.Join(b.dir, "go")
	require.Contains(t, printed, "cannot build with go1.19.8, which is "+which+"; Go 1.21 or later is needed: ")
	require.Contains(t, printed, "you are not root, and there is no sudo")
	require.Contains(t, printed, asRoot)
	require.False(t, b.ran("apt-get"))
	require.False(t, b.ran("go version"), "nothing is fetched before")
}

func TestPrerequisitesWithoutGo(t *testing.T) {
	b := newBare(t)
	b.remove("go")
	printed, code := b.run("prerequisites.sh", "gcc")
	require.Equal(t, 1, code)
	if !strings.Contains(printed, "cannot find Go in PATH; Go 1.21 or later is needed: ") {
		require.Contains(t, printed, "--no-install-recommends gcc golang-go\n", "Debian 13's own Go is installed")
	}
}

func TestPrerequisitesNamesPlacesThatCannotBeWritten(t *testing.T) {
	b := newBare(t)
	b.putGo("go1.26.0", "exit 1") // something is to be fetched
	file := filepath.Join(b.dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	b.env = append(b.env, "GOCACHE="+file+"/build", "GOPATH="+file)
	printed, code := b.run("prerequisites.sh")
	require.Equal(t, 1, code)
	const mend = ": Not a directory; mend that, or name another directory: export "
	require.Equal(t, "tlagate: cannot use Go's build cache "+file+"/build"+mend+"GOCACHE=DIRECTORY\n"+
		"tlagate: cannot use Go's place for downloads "+file+"/pkg"+mend+"GOPATH=DIRECTORY\n", printed)
	require.False(t, b.ran("go version"), "nothing is fetched before")
}

func TestPrerequisitesNeedsNoPlaceForWhatIsThere(t *testing.T) {
	b := newBare(t)
	b.env = append(b.env, "GOPATH=/dev/null")
	printed, code := b.run("prerequisites.sh")
	require.Zero(t, code, printed)
	require.Empty(t, printed)
}

func TestPrerequisitesWithoutHome(t *testing.T) {
	b := newBare(t)
	b.env = append(b.env, "GOCACHE=off") // which Go then answers
	printed, code := b.run("prerequisites.sh")
	require.Equal(t, 1, code)
	require.Contains(t, printed, "Go has no place for its build cache; set HOME, or GOCACHE to a directory")
}

func TestPrerequisitesTellsWhenGoCannotBeFetched(t *testing.T) {
	b := newBare(t)
	b.putGo("go1.26.0", "echo no such host >&2; exit 1")
	b.env = append(b.env, "GOTOOLCHAIN=go1.99.1")
	printed, code := b.run("prerequisites.sh")
	require.Equal(t, 1, code)
	require.Contains(t, printed, "no such host\ntlagate: cannot have go1.99.1, for the reason that go gives above")
}

func TestPrerequisitesInACloneOfAnother(t *testing.T) {
	b := newBare(t)
	b.put("git", "echo 'dubious ownership: git config --global --add safe.directory /x'; exit 128")
	printed, code := b.run("prerequisites.sh")
	require.Equal(t, 1, code)
	require.Contains(t, printed, "build as that user, or: git config --global --add safe.directory /")
}

func TestNeedInstallsThroughSudo(t *testing.T) {
	b := newBare(t)
	b.put("sudo", `[ "$1" = -l ] || "$@"`)
	printed, code := b.run("need.sh", "gcc", "pcscd")
	require.Zero(t, code, printed)
	require.True(t, b.ran("apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends gcc pcscd"))
}

func TestNeedTellsWhenSudoRefuses(t *testing.T) {
	b := newBare(t)
	b.put("sudo", `exit 1`)
	printed, code := b.run("need.sh", "gcc", "pcscd")
	require.Equal(t, 1, code)
	require.Contains(t, printed, "sudo does not let you run apt-get")
	require.Contains(t, printed, asRoot)
	require.False(t, b.ran("apt-get"))
}

func TestNeedNamesTheArchitectureToo(t *testing.T) {
	printed, code := newBare(t).run("need.sh", "gcc", "libc6:armhf")
	require.Equal(t, 1, code)
	require.Contains(t, printed, "  dpkg --add-architecture armhf && apt-get update && "+
		"apt-get install --no-install-recommends gcc libc6:armhf\n")
}

// listing stands in for `go list`: first it lists what is not compiled, while modules are fetched; then it compiles.
const listing = `case "$*" in
*-export*) printf 'a\nb/c\nb/c [b/c.test]\n' >&2 ;;
*) echo 'go: downloading x.example/y v1.2.3' >&2; printf 'a\nb/c\nb/c [b/c.test]\n' ;;
esac`

func TestCompileCounts(t *testing.T) {
	b := newBare(t)
	b.putGo("go1.26.0", listing)
	printed, code := b.run("compile.sh", "./...")
	require.Zero(t, code, printed)
	require.Contains(t, printed, "tlagate: fetched 1 module in ")
	const compiling = "tlagate: compiling packages: "
	require.Contains(t, printed, compiling+"2 of 3, b/c\n"+compiling+"3 of 3, b/c [b/c.test]\n")
	require.Contains(t, printed, "tlagate: compiled 3 packages in ")
}

func TestCompilePassesErrorsOn(t *testing.T) {
	b := newBare(t)
	b.putGo("go1.26.0", listing+`
case "$*" in *-export*) printf '# b/c\nb/c.go:2:23: cannot use it\n' >&2; exit 1 ;; esac`)
	printed, code := b.run("compile.sh", "./...")
	require.Equal(t, 1, code)
	require.Contains(t, printed, "# b/c\nb/c.go:2:23: cannot use it\n")
}

func TestCompileIsSilentWhenAllIsDone(t *testing.T) {
	printed, code := newBare(t).run("compile.sh", "./...")
	require.Zero(t, code)
	require.Empty(t, printed)
}

// TestPrometheusIsUnpacked: installed, its daemon would listen on all interfaces; what cannot be fetched is told, and
// ends nothing.
func TestPrometheusIsUnpacked(t *testing.T) {
	b := newBare(t)
	mv, err := exec.LookPath("mv")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(mv, filepath.Join(b.dir, "mv")))
	b.put("apt-get", "echo no such package >&2; exit 100")
	to := filepath.Join(t.TempDir(), "bin")
	printed, code := b.run("prometheus.sh", to)
	require.Zero(t, code)
	require.Contains(t, printed, "tests that need it are skipped:\nno such package\n")

	b.put("apt-get", ": >prometheus_1_amd64.deb")
	b.put("dpkg-deb", `mkdir -p "$3/usr/bin"; : >"$3/usr/bin/promtool"; : >"$3/usr/bin/prometheus"; chmod +x "$3"/usr/bin/*`)
	printed, code = b.run("prometheus.sh", to)
	require.Zero(t, code, printed)
	require.FileExists(t, filepath.Join(to, "prometheus"))
	require.FileExists(t, filepath.Join(to, "promtool"))
	require.False(t, b.ran("apt-get install"))

	require.NoError(t, os.Remove(b.log()))
	b.put("apt-get", "exit 100")
	_, code = b.run("prometheus.sh", to)
	require.Zero(t, code)
	require.NoFileExists(t, b.log(), "it is there")

	b.put("apt-get", ": >prometheus_1_amd64.deb")
	b.put("dpkg-deb", `mkdir -p "$3/usr/bin"; : >"$3/usr/bin/prometheus"`)
	printed, code = b.run("prometheus.sh", filepath.Join(to, "other"))
	require.Zero(t, code)
	require.Contains(t, printed, "there is no promtool in Debian's packages; tests that need it are skipped")
}

package integration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

var updateScreens = flag.Bool("update", false, "write the screens of testdata/ui anew")

// terminal is tla-relay ui as a user has it on the screen.
type terminal struct {
	*world.Terminal
	t *testing.T
}

// openUI runs tla-relay ui at the terminal of a lab.
func openUI(t *testing.T, l *lab.Lab, locale string, width, height int) *terminal {
	t.Helper()
	program, err := world.Binary("tla-relay")
	require.NoError(t, err)
	w, err := world.OpenTerminal(t.TempDir(), width, height, []string{"LC_ALL=" + locale, "TZ=UTC"}, program,
		"ui", "--config", l.Path("relay.yaml"))
	require.NoError(t, err)
	u := &terminal{w, t}
	t.Cleanup(u.close)
	return u
}

func (u *terminal) tmux(args ...string) string {
	u.t.Helper()
	out, err := u.Do(args...)
	require.NoError(u.t, err)
	return out
}

func (u *terminal) close() {
	if u.t.Failed() {
		u.t.Logf("the screen:\n%s", u.screen())
	}
	require.NoError(u.t, u.Close())
}

// pid returns the process of tla-relay ui.
func (u *terminal) pid() int {
	pid, err := u.PID()
	require.NoError(u.t, err)
	return pid
}

// screen returns what the user sees.
func (u *terminal) screen() string { return u.tmux("capture-pane", "-p") }

// press presses keys, which have tmux's names.
func (u *terminal) press(keys ...string) {
	u.t.Helper()
	u.tmux(append([]string{"send-keys"}, keys...)...)
}

// waitFor waits until the screen has all parts, and returns it.
func (u *terminal) waitFor(parts ...string) (screen string) {
	u.t.Helper()
	require.NoError(u.t, world.Poll(patience, fmt.Sprintf("the screen to show %q", parts), func() error {
		screen = u.screen()
		for _, p := range parts {
			if !strings.Contains(screen, p) {
				return fmt.Errorf("it shows\n%s", screen)
			}
		}
		return nil
	}))
	return screen
}

// changing is what differs on a screen from one run to the next.
var changing = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b\d\d:\d\d\b`), "hh:mm"},
	{regexp.MustCompile(`\b[AFHJKLMPRWXY][2-9][AFHJKLMPRWXY][2-9]\b`), "K7M2"},
	{regexp.MustCompile(`localhost:\d+`), "localhost:8443"},
	{regexp.MustCompile(`11 h \d\d`), "11 h 59"},
	{regexp.MustCompile(`(\D)\d{1,2} s\.`), "${1}45 s."},
	{regexp.MustCompile(`\d+ (jours|days)`), "398 $1"},
}

// same waits until the screen equals a committed one, which has all parts, without what changes from one run to the
// next.
func (u *terminal) same(name string, parts ...string) {
	u.t.Helper()
	u.waitFor(parts...)
	file := filepath.Join("testdata", "ui", name+".txt")
	if *updateScreens {
		require.NoError(u.t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(u.t, os.WriteFile(file, []byte(u.settled()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(u.t, err)
	var text string
	err = world.Poll(patience, "the screen of "+file, func() error {
		if text = u.lasting(); text != string(want) {
			return errors.New("it is another")
		}
		return nil
	})
	require.Equal(u.t, string(want), text, "%v; go test ./integration -run UI -update writes it anew", err)
}

// lasting returns the screen without what changes.
func (u *terminal) lasting() string {
	var lines []string
	for line := range strings.Lines(u.screen()) {
		for _, c := range changing {
			line = c.what.ReplaceAllString(line, c.with)
		}
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.Join(lines, "\n") + "\n"
}

// settled returns the screen once it has stayed the same for a while.
func (u *terminal) settled() (text string) {
	for same := 0; same < 50; same++ {
		if now := u.lasting(); now != text {
			same, text = 0, now
		}
	}
	return text
}

// incidentOn returns the incident number on the screen, as the user would read it out on the phone.
func (u *terminal) incidentOn() string {
	u.t.Helper()
	found := regexp.MustCompile(`Incident ([A-Z0-9]{4})\b`).FindStringSubmatch(u.screen())
	require.NotNil(u.t, found, "no number on the screen")
	return found[1]
}

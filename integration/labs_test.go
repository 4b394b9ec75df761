package integration

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// Tests with a lab run side by side: a lab waits more than it works. A test that changes what the whole world shares
// (addresses, packet filter), or looks at all of its processes, makes its lab by a function whose name ends in Alone,
// and no other test's lab runs meanwhile.

// layLab lays out a deployment and starts nothing.
func layLab(t *testing.T) *lab.Lab {
	t.Helper()
	t.Parallel()
	return layLabAlone(t)
}

func layLabAlone(t *testing.T) *lab.Lab {
	t.Helper()
	return keepLab(t, lab.New)
}

// keepLab lays out a lab and ends it with its test; if the test has failed, it shows the lab's logs.
func keepLab(t *testing.T, lay func() (*lab.Lab, error)) *lab.Lab {
	t.Helper()
	l, err := lay()
	require.NoError(t, err)
	t.Cleanup(func() {
		showLogs(t, l)
		require.NoError(t, l.Close())
	})
	return l
}

// newLab lays out a deployment, changes it, and starts all of it but a session.
func newLab(t *testing.T, changes ...func(*lab.Lab)) *lab.Lab {
	t.Helper()
	l := layLab(t)
	for _, change := range changes {
		change(l)
	}
	require.NoError(t, l.Start())
	return l
}

func newLabAlone(t *testing.T) *lab.Lab {
	t.Helper()
	l := layLabAlone(t)
	require.NoError(t, l.Start())
	return l
}

// showLogs prints what the programs said, if the test has failed.
func showLogs(t *testing.T, l *lab.Lab) {
	if !t.Failed() {
		return
	}
	for name, p := range map[string]*world.Process{"gateway": l.GatewayProc, "pdt": l.PdTProc, "relay": l.RelayProc} {
		if p != nil {
			t.Logf("%s:\n  %s", name, strings.Join(p.Lines(), "\n  "))
		}
	}
}

package world

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMachinesAreApart(t *testing.T) {
	if !HasUsers() {
		t.Skip("machines need root")
	}
	shown := t.TempDir()
	before, err := TakeSnapshot()
	require.NoError(t, err)
	m, err := StartMachines("left", "right")
	require.NoError(t, err)
	left, right := m.Machine("left"), m.Machine("right")
	require.Nil(t, m.Machine("middle"))
	on := func(m *Machine, script string) (string, error) { return m.Run(Patience, "", "bash", "-ec", script) }

	_, err = on(left, "useradd somebody; touch /etc/only-here; id somebody")
	require.NoError(t, err)
	_, err = on(right, "id somebody")
	require.ErrorContains(t, err, "no such user")
	require.FileExists(t, left.Path("/etc/only-here"))
	require.NoFileExists(t, right.Path("/etc/only-here"))
	require.NoFileExists(t, "/etc/only-here")

	_, err = on(left, "exec 3<>/dev/tcp/right/9")
	require.ErrorContains(t, err, "Connection refused", "it is reached, and nothing listens")
	require.NoError(t, left.Overlay(shown, "/srv/shown"))
	_, err = on(left, "touch /srv/shown/mine; (setsid sleep 3600 >/dev/null 2>&1 &)")
	require.NoError(t, err)

	require.NoError(t, m.Close())
	require.NoError(t, before.Leaked(Patience))
	_, err = os.Stat(left.Path("/"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

package world

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOverIsOneProgramsAlone: two programs each see their own file in place of the machine's, which no other program
// sees changed.
func TestOverIsOneProgramsAlone(t *testing.T) {
	dir := t.TempDir()
	place := filepath.Join(dir, "place")
	require.NoError(t, os.WriteFile(place, []byte("the machine's\n"), 0o600))
	for _, text := range []string{"one", "two"} {
		own := filepath.Join(dir, text)
		require.NoError(t, os.WriteFile(own, []byte(text+"\n"), 0o600))
		p, err := Start(Command{Path: "cat", Args: []string{place}, Over: Over{place: own}})
		require.NoError(t, err)
		code, err := p.Wait(Patience)
		require.NoError(t, err)
		require.Zero(t, code)
		require.Equal(t, []string{text}, p.Lines())
	}
	seen, err := os.ReadFile(place)
	require.NoError(t, err)
	require.Equal(t, "the machine's\n", string(seen))
}

// TestOverWithoutItsFileStartsNothing: the program must not see the machine's file instead.
func TestOverWithoutItsFileStartsNothing(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	p, err := Start(Command{Path: "echo", Args: []string{"it ran"}, Over: Over{"/run/pcscd": none}})
	require.NoError(t, err)
	code, err := p.Wait(Patience)
	require.NoError(t, err)
	require.Equal(t, 125, code)
	require.NotContains(t, p.Lines(), "it ran")
}

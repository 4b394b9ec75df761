package trail

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/persons"
	"tlagate/cmd/internal/cli"
)

// TestSA2ARunningGatewayTakesAChangedPersonKey: the next line has a mark by the new key. One that cannot be used takes
// nobody out of the trace: the old one stays in use, and the log says why.
func TestSA2ARunningGatewayTakesAChangedPersonKey(t *testing.T) {
	const doctor = "899700000017"
	officer, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	ring, err := persons.New([]string{officer.Recipient().String()}, time.Now())
	require.NoError(t, err)
	key := cli.PersonKey{File: cli.Path(filepath.Join(t.TempDir(), "person.key"))}
	file := string(key.File)
	require.NoError(t, ring.Save(file, key.Keys()))
	var log bytes.Buffer
	of, err := Marks(key, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	mark := func() string {
		lines := of(doctor)
		require.Len(t, lines, 2)
		require.Equal(t, audit.Person(ring.Marks(doctor, time.Now())[0]), lines[0])
		return ring.Keys(time.Now())[0].Name
	}
	first := mark()
	require.Empty(t, log.String())

	require.NoError(t, os.WriteFile(file, []byte("damaged"), 0o600))
	require.Equal(t, first, mark())
	require.Contains(t, log.String(), "the old person key stays in use")
	require.NoError(t, os.Remove(file))
	require.Equal(t, first, mark())

	ring, err = ring.Renew(nil, time.Now())
	require.NoError(t, err)
	require.NoError(t, ring.Save(file, key.Keys()))
	second := mark()
	require.NotEqual(t, first, second)
	require.Contains(t, log.String(), "the person key is another one now")
	require.Contains(t, log.String(), second)
	log.Reset()
	mark()
	require.Empty(t, log.String(), "it is told once")
}

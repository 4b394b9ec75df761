package ca

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
)

// A line of a spreadsheet must not make a line of its own on the operator's terminal.
func TestInviteTellsAWrongIdentityOnOneLine(t *testing.T) {
	c := newCA(t)
	for _, practice := range []string{"a\x1b[31mb", "a\ntla-pki: all codes are written", "a\u202eb"} {
		_, err := c.Invitations.Invite(Guest{Identity: pki.Identity{Practice: practice, Role: pki.RoleTLA, Name: "t"}})
		require.ErrorContains(t, err, "cannot invite urn:tlagate:a")
		require.NotContains(t, err.Error(), practice)
		require.NotContains(t, err.Error(), "\n")
	}
}

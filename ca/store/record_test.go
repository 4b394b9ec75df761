package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseReason(t *testing.T) {
	for _, name := range ReasonNames() {
		reason, err := ParseReason(name)
		require.NoError(t, err)
		require.Equal(t, name, reason.String())
	}
	for _, name := range []string{"", "removeFromCRL", "1"} {
		_, err := ParseReason(name)
		require.Error(t, err, name)
	}
}

func TestParseSerial(t *testing.T) {
	for _, text := range []string{"3fa0", "3F:A0", "0x3fa0", "serial=3FA0"} {
		serial, err := ParseSerial(text)
		require.NoError(t, err, text)
		require.Equal(t, "3fa0", FormatSerial(serial))
	}
	for _, text := range []string{"", "0", "-1", "xyz", "urn", "1 or 1=1", string(make([]byte, 50))} {
		_, err := ParseSerial(text)
		require.Error(t, err, text)
	}
}

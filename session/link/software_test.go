package link

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const vectorInstance = "00112233445566778899aabbccddeeff"

func TestSoftwareSaysWhoAsks(t *testing.T) {
	for _, version := range []string{"0.1.0", "v1.2.3-rc1", "0.1.0~rc1+git7", "(devel)", "v0.0.0-20261129+dirty",
		"-.0.1", strings.Repeat("9", 200)} {
		s := Ours(ProgramRelay, version)
		h := http.Header{}
		Config{Client: s, Instance: vectorInstance}.describe(h)
		require.Equal(t, s, SoftwareOf(h), version)
		require.Equal(t, vectorInstance, InstanceOf(h))
	}
	h := http.Header{}
	Config{}.describe(h)
	require.Empty(t, h, "who says nothing sends no field")
	require.Equal(t, Software{"tla-relay", "0.1.0", "linux", "arm64"},
		SoftwareOf(http.Header{HeaderClient: {"tla-relay/0.1.0 (linux; arm64)"}}))
}

// TestSoftwareThatCannotBeReadIsNone: nor is what comes twice.
func TestSoftwareThatCannotBeReadIsNone(t *testing.T) {
	good := "tla-pdt/1.0.0 (windows; amd64)"
	for _, bad := range []string{"", "curl/8.0 (linux; amd64)", "tla-pdt/1.0.0", "tla-pdt/ (linux; amd64)", good + " ",
		"tla-pdt/" + strings.Repeat("1", 65) + " (linux; amd64)", "tla-pdt/1.0\x1b[2J (linux; amd64)",
		"tla-pdt/1.0 (Linux; amd64)", "tla-pdt/1.0.é (linux; amd64)"} {
		require.Zero(t, SoftwareOf(http.Header{HeaderClient: {bad}}), bad)
	}
	require.NotZero(t, SoftwareOf(http.Header{HeaderClient: {good}}))
	require.Zero(t, SoftwareOf(http.Header{HeaderClient: {good, good}}))
	for _, bad := range []string{"", vectorInstance[1:], vectorInstance + "0", strings.ToUpper(vectorInstance), "x"} {
		require.Zero(t, InstanceOf(http.Header{HeaderInstance: {bad}}), bad)
	}
	require.Zero(t, InstanceOf(http.Header{HeaderInstance: {vectorInstance, vectorInstance}}))
}

func FuzzSoftware(f *testing.F) {
	f.Add("tla-relay/0.1.0 (linux; arm64)", vectorInstance)
	f.Add("tla-pdt/v0.0.0-2026+dirty (windows; amd64)", "")
	f.Add("tla-pdt/\n (a; b)", "é")
	f.Fuzz(func(t *testing.T, client, process string) {
		s := SoftwareOf(http.Header{HeaderClient: {client}})
		if s != (Software{}) {
			require.Equal(t, client, s.String())
			require.LessOrEqual(t, len(client), 128)
		}
		if read := InstanceOf(http.Header{HeaderInstance: {process}}); read != "" {
			require.Equal(t, process, read)
			require.Len(t, read, 32)
		}
	})
}

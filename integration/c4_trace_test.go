package integration

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/session/consent"
)

// TestC4ConsentIsKeptAndProvable: gateway and PdT record, each in its trace, what proves that the user asked for the
// session: the statement can be verified again.
func TestC4ConsentIsKeptAndProvable(t *testing.T) {
	l := layLab(t)
	gateway, pdt := l.Path("gateway.jsonl"), l.Path("pdt.jsonl")
	for _, step := range []func() error{l.StartReaders, l.InsertCards, func() error {
		return l.StartGateway("audit: " + gateway)
	},
		func() error { return l.StartPdT("audit: " + pdt) }, func() error { return l.StartRelay() }} {
		require.NoError(t, step())
	}
	startSession(t, l)
	id := relayStatus(t, l).Session.ID
	own, err := tls.LoadX509KeyPair(l.TLAKeys.Cert, l.TLAKeys.Key)
	require.NoError(t, err)
	for program, file := range map[string]string{"tla-gateway": gateway, "tla-pdt": pdt} {
		out, err := l.Run(program, "audit", "show", "--file", file, "--event", "consent.*", "--json")
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(out, "\n"), "%s: %s", program, out)
		var entry struct{ With map[string]string }
		require.NoError(t, json.Unmarshal([]byte(out), &entry))
		require.Equal(t, id, entry.With["session"])
		require.Equal(t, lab.TLA, entry.With["identity"])
		require.Equal(t, lab.PdT, entry.With["pdt"])
		require.Equal(t, "command", entry.With["act"])
		said, err := consent.Verify(entry.With["statement"], own.Leaf.PublicKey,
			consent.Want{TLA: lab.TLA, PdT: lab.PdT, Session: id, Nonce: nonceOf(t, entry.With["statement"]),
				Now: time.Now()})
		require.NoError(t, err, program)
		require.Equal(t, "uid 0", said.By)
	}
}

// nonceOf returns the nonce of a statement.
func nonceOf(t *testing.T, text string) string {
	payload, err := base64.RawURLEncoding.DecodeString(text[:strings.IndexByte(text, '.')])
	require.NoError(t, err)
	var s consent.Statement
	require.NoError(t, json.Unmarshal(payload, &s))
	return s.Nonce
}

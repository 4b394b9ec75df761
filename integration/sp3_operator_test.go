package integration

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/lab"
	"tlagate/tla"
)

// operatedLab is a lab whose gateway has an API, with an operator whose key is in a token.
type operatedLab struct {
	*lab.Lab
	t      *testing.T
	claire *lab.Operator
}

func newOperatedLab(t *testing.T) *operatedLab {
	l := &operatedLab{Lab: layLab(t), t: t}
	var err error
	l.claire, err = l.NewOperator("claire", "read, operate, security")
	require.NoError(t, err)
	for _, step := range []func() error{l.StartReaders, l.InsertCards,
		func() error { return l.StartGateway("audit: "+l.Path("gateway.jsonl"), l.claire.API) },
		func() error { return l.StartPdT() }, func() error { return l.StartRelay() }} {
		require.NoError(t, step())
	}
	waitRelay(t, l.Lab, "both cards", func(s *tla.Status) bool {
		return len(s.Readers) == 2 && s.Readers[0].Card != nil && s.Readers[1].Card != nil
	})
	return l
}

// asClaire runs a command of tla-gateway from afar, with the key in the token.
func (l *operatedLab) asClaire(args ...string) string {
	l.t.Helper()
	out, err := l.claire.Run(args...)
	require.NoError(l.t, err, out)
	return out
}

// session returns the only session, as whoever can connect to the socket sees it.
func (l *operatedLab) session() (id string) {
	l.t.Helper()
	out, err := l.Run("tla-gateway", "sessions", "--json", "--config", l.Path("gateway.yaml"))
	require.NoError(l.t, err)
	var all []struct{ ID, TLA string }
	require.NoError(l.t, json.Unmarshal([]byte(out), &all))
	require.Len(l.t, all, 1, out)
	require.Equal(l.t, lab.TLA, all[0].TLA)
	return all[0].ID
}

// acts returns the gateway's lines about acts.
func (l *operatedLab) acts() (found []audit.Entry) {
	events, _ := traced(l.t, l.Path("gateway.jsonl"), 0)
	for _, e := range events {
		if e.Event == audit.OperatorAct {
			found = append(found, e)
		}
	}
	return found
}

// TestSP3AnOperatorEndsASession: with a certificate whose key never leaves its token, an operator ends a session, and
// the terminal's screen says so in words; who did it, and why, is in the trace.
func TestSP3AnOperatorEndsASession(t *testing.T) {
	l := newOperatedLab(t)
	u := openUI(t, l.Lab, "fr_FR.UTF-8", 80, 24)
	u.waitFor("Carte Vitale 2 : libre")
	u.press("Enter")
	u.waitFor("Fin au plus tard")
	id := l.session()
	require.Contains(t, l.asClaire("session", "end", id, "--reason", "case 12"), "done: end, by "+l.claire.Identity)
	u.waitFor("Le service de votre opérateur a mis fin", "demandé.")
	last := relayStatus(t, l.Lab).Last
	require.Equal(t, "ended_by_operator", last.Reason)
	require.NotEmpty(t, last.Incident)
	act := l.acts()[0]
	require.Equal(t, l.claire.Identity, act.By)
	for name, want := range map[string]string{"act": "end", "reason": "case 12", "role": "operate", "session": id,
		"incident": last.Incident} {
		require.Equal(t, want, act.With[name], name)
	}
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	require.Contains(t, l.asClaire("incident", last.Incident), l.claire.Identity)
}

// TestSP3DenyDuringASession: a terminal that is denied is cut at once and does not come back, until it is allowed.
func TestSP3DenyDuringASession(t *testing.T) {
	l := newOperatedLab(t)
	startSession(t, l.Lab)
	l.asClaire("deny", lab.TLA, "--reason", "stolen")
	waitRelay(t, l.Lab, "the end", func(s *tla.Status) bool { return s.Session == nil && s.Last != nil })
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	_, err := l.Relay("start")
	require.Error(t, err)
	l.asClaire("allow", lab.TLA, "--reason", "found")
	startSession(t, l.Lab)
}

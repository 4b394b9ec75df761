package gateway

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/session/link"
)

// deny pushes a revocation to the gateway; no CRL has it.
func (r *rig) deny(issuer *pkitest.CA, certs ...*x509.Certificate) {
	for _, c := range certs {
		r.trust.Deny(revocation.Denied{IssuerKeyID: issuer.Cert.SubjectKeyId, Serial: c.SerialNumber,
			Reason: 1, At: time.Now()})
	}
}

// A live session is cut when the revocation of one of its certificates is pushed (C2).
func TestC2PushCutsTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		deny   func(r *rig, w *world)
		reason pki.Reason
		whose  string
	}{
		"TLA": {func(r *rig, w *world) { r.deny(r.ca.Issuing, w.tla.Leaf) }, pki.Revoked, tla1},
		"PdT's client": {func(r *rig, w *world) { r.deny(r.ca.Issuing, w.pdt.client.Leaf) }, pki.Revoked,
			pdt1},
		"PdT's declared server": {func(r *rig, w *world) { r.deny(r.ca.Issuing, w.pdt.server.Leaf) }, pki.Revoked,
			pdt1},
		"issuing CA, everybody's": {func(r *rig, _ *world) { r.deny(r.ca.Root, r.ca.Issuing.Cert) }, pki.CARevoked, ""},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			r := start(t, limited(Limits{Recheck: time.Hour}))
			w := &world{tla: r.ca.Issue(tla1, clients), pdt: r.pdt(pdt1)}
			near, far := r.joined(w.tla, w.pdt)
			stay, stayFar := r.joined(r.ca.Issue(tla2, clients), r.pdt(pdt2))
			r.eventually("both sessions have begun", func() bool { return r.begun() == 2 })
			c.deny(r, w)
			n := requireNotice(t, link.CodeRevoked, near)
			require.Contains(t, n.Text, c.whose)
			require.Contains(t, n.Text, string(c.reason))
			require.Equal(t, *n, *requireNotice(t, link.CodeRevoked, far))
			r.logged("link cut", "reason", string(c.reason))
			if c.reason == pki.CARevoked {
				requireNotice(t, link.CodeRevoked, stay)
				requireNotice(t, link.CodeRevoked, stayFar)
				return
			}
			require.NoError(t, stay.WriteRecord(link.TypeData, []byte("still")))
			_, payload, err := stayFar.ReadRecord()
			require.NoError(t, err)
			require.Equal(t, "still", string(payload))
		})
	}
}

// TestC2TimeToCut measures how long a session lives on after its TLA's revocation is pushed, at a gateway with many.
// CUT=sessions,cuts sets the numbers: CUT=2000,500 for the table in docs/revocation.md.
func TestC2TimeToCut(t *testing.T) {
	sessions, cuts := 60, 20
	if env := os.Getenv("CUT"); env != "" {
		_, err := fmt.Sscanf(env, "%d,%d", &sessions, &cuts)
		require.NoError(t, err)
	}
	r := start(t, limited(Limits{ParkedPerPdT: 1}))
	all := make([]watched, sessions)
	atATime(t, 8, sessions, func(i int) { all[i] = r.watched(i) })
	var times []time.Duration
	for _, s := range all[:cuts] {
		begun := time.Now()
		r.deny(r.ca.Issuing, s.tla)
		for range 2 {
			last := <-s.ended
			requireCode(t, link.CodeRevoked, last.err)
			times = append(times, last.at.Sub(begun))
		}
	}
	slices.Sort(times)
	at := func(percent int) string {
		return times[(len(times)-1)*percent/100].Round(10 * time.Microsecond).String()
	}
	t.Log("revocation told → an end has the notice, at " + strconv.Itoa(sessions) + " sessions, " + strconv.Itoa(cuts) +
		" revoked one by one: p50 " + at(50) + ", p99 " + at(99) + ", longest " + at(100))
}

// watched is a session whose ends are read until they are over, as programs read them.
type watched struct {
	tla   *x509.Certificate
	ended chan lastSeen // one of each end
}

type lastSeen struct {
	at  time.Time
	err error
}

func (r *rig) watched(i int) watched {
	p := r.pdt(fmt.Sprintf("urn:tlagate:cab%d:pdt:p", i))
	far, err := r.tryPark(p, unhurried)
	require.NoError(r.t, err)
	tla := r.ca.Issue(fmt.Sprintf("urn:tlagate:cab%d:tla:t", i), clients)
	near, err := r.tryOpen(tla, "p")
	require.NoError(r.t, err)
	_, err = far.WaitJoined()
	require.NoError(r.t, err)
	w := watched{tla.Leaf, make(chan lastSeen, 2)}
	for _, l := range []*link.Conn{near, far} {
		go func() {
			_, err := io.Copy(io.Discard, onlyReader{l})
			w.ended <- lastSeen{time.Now(), err}
			l.Close()
		}()
	}
	return w
}

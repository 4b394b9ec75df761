package enrol

import (
	"context"
	"crypto/x509"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/est"
	"tlagate/internal/logtest"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
)

// patience is how long to wait for what must happen, however slow the machine.
const patience = 2 * time.Minute

// running is a program with certificates, whose renewer runs until the test ends.
type running struct {
	*box
	*Renewer
	trust *trust.Trust
	log   *logtest.Buffer
}

// lived returns a certificate of 90 days, of which a share is over.
func lived(share float64) pkitest.Option {
	return pkitest.Template(func(c *x509.Certificate) {
		life := 90 * 24 * time.Hour
		c.NotBefore = time.Now().Add(-time.Duration(share * float64(life)))
		c.NotAfter = c.NotBefore.Add(life)
	})
}

func newRunning(t *testing.T, identity string, share float64, profiles ...est.Profile) *running {
	b := newBox(t, identity, profiles...)
	b.Options = []pkitest.Option{lived(share)}
	_, err := b.enrol()
	require.NoError(t, err)
	b.Options = nil
	return runningOf(t, b)
}

// runningOf returns a program with the certificates in a box.
func runningOf(t *testing.T, b *box) *running {
	r := &running{box: b, log: &logtest.Buffer{}}
	var err error
	r.trust, err = trust.Open(b.Trust.Config("", nil))
	require.NoError(t, err)
	r.Renewer = &Renewer{Trust: r.trust, Begin: time.Millisecond, Log: slog.New(slog.NewTextHandler(r.log, nil))}
	for _, p := range b.Pairs {
		keys, err := p.Files.Open()
		require.NoError(t, err)
		r.Held = append(r.Held, Held{p, keys})
	}
	return r
}

// start runs the renewer, and waits for its end when the test ends.
func (r *running) start(t *testing.T, places ...string) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	var list []est.Place
	for _, p := range places {
		list = append(list, est.Place{Address: p})
	}
	go func() { defer close(done); r.Run(ctx, list) }()
	t.Cleanup(func() { stop(); <-done })
}

func (r *running) leaf(i int) *x509.Certificate { return r.Held[i].Keys.Certificate().Leaf }

// soon waits for what must happen.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, time.Millisecond, what)
}

func TestG2RenewalFromTwoThirdsOn(t *testing.T) {
	r := newRunning(t, pdt1, 0.67, est.PdTClient, est.PdTServer)
	old := []*x509.Certificate{r.leaf(0), r.leaf(1)}
	keys := r.read("pdt-client.key")
	r.start(t, "127.0.0.1:1", r.Addr) // the first gateway is away
	soon(t, "both renewed", func() bool { return !r.leaf(0).Equal(old[0]) && !r.leaf(1).Equal(old[1]) })
	require.NotEqual(t, keys, r.read("pdt-client.key"), "a new key")
	soon(t, "noted", func() bool { return r.Status().Due.After(time.Now()) })
	require.Zero(t, r.Status().FailingSince)
	require.Equal(t, "arl.pem pdt-client.crt pdt-client.key pdt-server.crt pdt-server.key root.crt", r.files())
	var paths []string
	for _, q := range r.Requests() {
		if q.CSR != nil && q.Password == "" && q.Client != nil {
			paths = append(paths, q.Path)
			require.Equal(t, q.Binding, q.Challenge)
		}
	}
	require.Equal(t, []string{"/.well-known/est/pdt-server/simpleenroll", "/.well-known/est/pdt-client/simplereenroll",
		"/.well-known/est/pdt-server/simplereenroll"}, paths)
}

func TestRenewalIsNotDueBefore(t *testing.T) {
	r := newRunning(t, tla1, 0.65, est.TLA)
	s := r.Status()
	require.True(t, s.Due.After(time.Now()))
	require.False(t, r.due(time.Now()))
	require.True(t, r.due(s.Due))
	require.InDelta(t, 10, s.Warn.Sub(s.Due).Hours()/24, 0.1, "a third of the rest")
	require.Equal(t, r.leaf(0).NotAfter, s.Ends)
	r.At = 0.5
	require.True(t, r.due(time.Now()))
}

func TestG2LateRenewalIsToldLoudly(t *testing.T) {
	r := newRunning(t, tla1, 0.7, est.TLA)
	r.start(t, "127.0.0.1:1")
	soon(t, "noted", func() bool { return r.Status().Reason == string(Unreachable) })
	s := r.Status()
	require.NotZero(t, s.FailingSince)
	require.False(t, s.GivenUp)
	require.Contains(t, r.log.String(), `level=WARN msg="certificate not renewed yet" reason=unreachable`)

	late := newRunning(t, tla1, 0.8, est.TLA)
	late.answer(503, "not_available: the CA is asleep")
	late.start(t, late.Addr)
	soon(t, "noted", func() bool { return late.Status().Reason == string(NotAvailable) })
	require.True(t, late.Status().Warn.Before(time.Now()))
	require.Nil(t, r.Warnings())
	require.Regexp(t,
		`^A certificate ends on 20..-..-.. and has not been renewed. Last failure: not_available; the log says more.$`,
		late.Warnings()[0])
	require.Contains(t, late.log.String(), `level=ERROR msg="certificate not renewed: somebody has to see to it"`)
}

// A revoked certificate is not renewed: renewal is given up, as an error in the log, without asking the PKI.
func TestG2RevokedIsGivenUp(t *testing.T) {
	r := newRunning(t, tla1, 0.7, est.TLA)
	r.ca.Issuing.Revoke(r.leaf(0))
	r.trust.TakeStatus(pki.Status{DER: r.ca.Issuing.OCSP(r.leaf(0))})
	asked := len(r.Requests())
	r.start(t, r.Addr)
	soon(t, "given up", func() bool { return r.Status().GivenUp })
	require.Equal(t, string(Revoked), r.Status().Reason)
	require.Contains(t, r.log.String(), `level=ERROR msg="certificate cannot be renewed: enrol again" reason=revoked`)
	require.Len(t, r.Requests(), asked)
}

func TestEndedIsGivenUp(t *testing.T) {
	r := newRunning(t, tla1, 0.7, est.TLA)
	require.Equal(t, Ended, kindIn(t, r.hopeless(r.leaf(0).NotAfter.Add(time.Second))))
	require.NoError(t, r.hopeless(time.Now()))
}

func kindIn(t *testing.T, err error) Kind {
	var f *Failure
	require.ErrorAs(t, err, &f)
	return f.Kind
}

// The lost answer of a renewal is asked for again with the same key.
func TestG2RenewalKeepsItsKeyUntilAnAnswerComes(t *testing.T) {
	r := newRunning(t, tla1, 0.7, est.TLA)
	r.Issue = func(pkitest.ESTRequest) []*x509.Certificate { return []*x509.Certificate{r.ca.Root.Cert} }
	r.attempt(t.Context(), []est.Place{{Address: r.Addr}})
	require.Equal(t, string(BadAnswer), r.Status().Reason)
	next := r.read("tla.key.next")
	r.Issue = nil
	r.attempt(t.Context(), []est.Place{{Address: r.Addr}})
	require.Equal(t, next, r.read("tla.key"))
	require.Zero(t, r.Status().Reason)
}

// Pauses grow, leave some twenty attempts before the end, and are never two alike.
func TestPauses(t *testing.T) {
	r := &Renewer{}
	var last time.Duration
	for range 12 {
		pause := r.nextPause(365 * 24 * time.Hour)
		require.GreaterOrEqual(t, pause, firstPause*3/4)
		require.LessOrEqual(t, pause, maxPause*5/4)
		last = pause
	}
	require.Greater(t, last, maxPause/2)
	require.LessOrEqual(t, r.nextPause(time.Hour), 5*time.Minute)
}

// A Run that is broken off, as by the end of a session, is no failure.
func TestBrokenOffIsNoFailure(t *testing.T) {
	r := newRunning(t, tla1, 0.7, est.TLA)
	ctx, stop := context.WithCancel(t.Context())
	r.Fail = func(string) (int, string) { stop(); <-ctx.Done(); return 503, "not_available: x" }
	r.attempt(ctx, []est.Place{{Address: r.Addr}})
	require.Zero(t, r.Status().Reason)
	require.NotContains(t, r.log.String(), "not renewed")
}

func TestSectionIsChecked(t *testing.T) {
	for _, at := range []float64{-0.1, 1, 2} {
		require.Error(t, Section{At: at}.Check())
	}
	require.NoError(t, Section{At: 0.5}.Check())
	places, err := Section{PKI: "pki:8445"}.Places("gw:1")
	require.NoError(t, err)
	require.Equal(t, []est.Place{{Address: "pki:8445", Name: "pki"}}, places)
	places, err = Section{}.Places("gw:1", "gw:2")
	require.NoError(t, err)
	require.Equal(t, []est.Place{{Address: "gw:1"}, {Address: "gw:2"}}, places)
	_, err = Section{PKI: "pki"}.Places()
	require.Error(t, err)
}

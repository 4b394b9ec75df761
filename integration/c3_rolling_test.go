package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// startVisitor starts readers, cards, PdT and relay of a lab whose gateways run, and a session in which a PC/SC program
// uses a counting card.
func startVisitor(t *testing.T, l *lab.Lab) *lostBed {
	t.Helper()
	_, device := patientTimers.lines()
	l.Counter = cardsim.NewCounter(cardsim.VitaleConfig{})
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	require.NoError(t, l.StartPdT(device...))
	require.NoError(t, l.StartRelay(device...))
	startSession(t, l)
	b := &lostBed{Lab: l, t: t}
	b.program = startClient(t, l.PdTReaders)
	b.connect()
	return b
}

// exchangeUntil has each program send one command after the other until done has a value, and then once more.
func exchangeUntil(t *testing.T, visitors []*lostBed, done <-chan error) {
	t.Helper()
	for over := false; !over; {
		select {
		case err := <-done:
			require.NoError(t, err)
			over = true
		default:
		}
		for _, v := range visitors {
			v.send(0)
		}
		for _, v := range visitors {
			v.received()
		}
	}
}

// async returns what f does, once it has.
func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// restart stops a gateway and starts it again; the PdTs park there again.
func restart(proc **world.Process, start func(...string) error, pdts ...string) error {
	if err := (*proc).Stop(); err != nil {
		return err
	}
	if err := start(); err != nil {
		return err
	}
	for _, pdt := range pdts {
		if _, err := (*proc).WaitLine(patience, "msg=parked", "peer="+pdt); err != nil {
			return err
		}
	}
	return nil
}

// TestC3RollingRestartLosesNoSession: two gateways are restarted one after the other, twice, while programs use three
// terminals all the time: each command is executed once, no program sees an error, and the sessions are still the same.
func TestC3RollingRestartLosesNoSession(t *testing.T) {
	t.Parallel()
	l := layLabAlone(t)
	require.NoError(t, l.AddGateway())
	require.NoError(t, l.StartGateway())
	require.NoError(t, l.StartSecond())
	visitors, pdts := []*lostBed{startVisitor(t, l)}, []string{lab.PdT}
	for n := 2; n <= 3; n++ {
		beside := keepLab(t, func() (*lab.Lab, error) { return l.Beside(n) })
		visitors, pdts = append(visitors, startVisitor(t, beside)), append(pdts, beside.AskFor)
	}
	var before []string
	for _, v := range visitors {
		before = append(before, v.session().ID)
	}
	exchangeUntil(t, visitors, async(func() error {
		var errs []error
		for range 2 {
			errs = append(errs, restart(&l.GatewayProc, l.StartGateway, pdts...),
				restart(&l.Second.Proc, l.StartSecond, pdts...))
		}
		return errors.Join(errs...)
	}))
	for i, v := range visitors {
		s := v.settled()
		require.Equal(t, before[i], s.ID, "the session is another one")
		require.GreaterOrEqual(t, s.Resumed, int64(2), "it has moved")
		v.onceEach()
		t.Logf("%d commands, %d moves, longest wait %v", v.serial, s.Resumed, v.longest.Round(time.Millisecond))
	}
}

// TestC3RestartRefusesNobody: the only gateway is restarted while its port is kept open. Who dials while there is no
// gateway waits, and is served; the session goes on; and the old gateway does not wait for its time to drain.
func TestC3RestartRefusesNobody(t *testing.T) {
	t.Parallel()
	l := layLabAlone(t)
	require.NoError(t, l.KeepSocket())
	t.Cleanup(func() { l.GatewaySock.Close() })
	const forEver = "limits: {drain: 1h}"
	require.NoError(t, l.StartGateway(forEver))
	v := startVisitor(t, l)
	id := v.session().ID

	require.NoError(t, l.GatewayProc.Stop(), "it waits for what cannot move")
	v.send(0)
	var came []<-chan error
	for range 5 { // before there is a gateway again
		c, err := net.Dial("tcp", l.GatewayAddr)
		require.NoError(t, err, "refused")
		came = append(came, async(func() error { return whoamiOver(l, c) }))
	}
	require.NoError(t, l.StartGateway(forEver))
	for _, c := range came {
		require.NoError(t, <-c)
	}
	v.received()
	require.Equal(t, id, v.settled().ID)
	v.exchange(0)
	v.onceEach()
}

// whoamiOver asks the gateway who we are, over a connection, with the PdT's certificate.
func whoamiOver(l *lab.Lab, c net.Conn) error {
	defer c.Close()
	pair, err := tls.LoadX509KeyPair(l.ClientKeys.Cert, l.ClientKeys.Key)
	if err != nil {
		return err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true,
		NextProtos: []string{"http/1.1"}}
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return tls.Client(c, cfg), nil }}}
	resp, err := client.Get("https://" + l.GatewayAddr + "/v1/whoami")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// TestC3GatewayIsKilled: it comes back, and nothing is lost.
func TestC3GatewayIsKilled(t *testing.T) {
	t.Parallel()
	l := layLabAlone(t)
	require.NoError(t, l.StartGateway())
	v := startVisitor(t, l)
	id := v.session().ID
	exchangeUntil(t, []*lostBed{v}, async(func() error {
		l.GatewayProc.Kill()
		return l.StartGateway()
	}))
	require.Equal(t, id, v.settled().ID)
	v.onceEach()
}

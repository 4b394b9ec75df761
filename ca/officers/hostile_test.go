package officers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/pki/listen"
)

// TestC1OfficersHaveSoManyConnections: neither devices, whose certificates are good, nor one officer keep others out.
func TestC1OfficersHaveSoManyConnections(t *testing.T) {
	b := newBed(t)
	b.certs[operator+"tla"] = b.issue("tla", "urn:tlagate:cab1:tla:t1")
	whoami := func(name string) error { return b.as(name).Get(t.Context(), "whoami", nil, &Whoami{}) }
	require.Error(t, whoami("tla"))
	require.Eventually(t, func() bool { return strings.Contains(b.log.String(), "reason=wrong_role") }, patience,
		5*time.Millisecond)
	for range perOfficer {
		conn, _, err := b.as("read").server.Connect(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		require.Equal(t, http.StatusOK, statusOver(t, conn))
	}
	require.Error(t, whoami("read"))
	require.NoError(t, whoami("both"))
}

// statusOver asks over a connection that stays open who one is.
func statusOver(t *testing.T, conn net.Conn) int {
	client := http.Transport{
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	req, err := http.NewRequest(http.MethodGet, "https://pki"+Prefix+"whoami", nil)
	require.NoError(t, err)
	resp, err := client.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestC1OfficersAreRationed: who asks, or acts, too often is told when to come back; who looks at what takes long has
// one answer at once.
func TestC1OfficersAreRationed(t *testing.T) {
	b := newBedWith(t, func(s *Server) {
		s.requests, s.recorded = listen.NewBudget(4, time.Hour, 9), listen.NewBudget(1, time.Hour, 9)
	})
	answered := make(chan error, 1)
	read := b.as("read")
	go func() { answered <- read.Get(t.Context(), "inventory", nil, &[]string{}) }()
	wait := <-b.slow
	require.Equal(t, TooMany, codeOf(t, b.as("read").Get(t.Context(), "certificates", nil, &[]store.Record{})))
	require.NoError(t, b.as("read").Get(t.Context(), "whoami", nil, &Whoami{}))
	close(wait)
	require.NoError(t, <-answered)

	require.Equal(t, Refused, b.do("both", "withdraw", Withdraw{ID: 9}, &Done{}))
	require.Equal(t, TooMany, b.do("both", "withdraw", Withdraw{ID: 9}, &Done{}))
	require.Equal(t, Refused, b.do("enrol", "withdraw", Withdraw{ID: 9}, &Done{}), "another's own share")
	both := func() Code { return codeOf(t, b.as("both").Get(t.Context(), "whoami", nil, &Whoami{})) }
	require.Empty(t, both())
	require.Empty(t, both())
	require.Equal(t, TooMany, both())
}

// TestSP3WhatAStolenCardAskedForIsNotDone: once the certificate by which somebody asked is revoked, or on hold.
func TestSP3WhatAStolenCardAskedForIsNotDone(t *testing.T) {
	b := newBed(t)
	require.Empty(t, b.do("both", "issue", b.issueOf(operator+"zoe"), &Issued{}))
	_, err := b.ca.Revocations.Revoke(ca.Selection{Certificate: b.certs[operator+"both"].Leaf}, store.KeyCompromise)
	require.NoError(t, err)
	require.Equal(t, Refused, b.do("security", "approve", Decide{1, "asked"}, &Issued{}))
	b.certs[operator+"both"] = b.issue("admin", operator+"both") // the next card of the same officer
	require.Equal(t, Refused, b.do("security", "approve", Decide{1, "asked"}, &Issued{}))
	require.Empty(t, b.do("both", "issue", b.issueOf(operator+"zoe"), &Issued{}))
	require.Empty(t, b.do("security", "approve", Decide{2, "asked"}, &Issued{}))
}

// TestC1NobodyFillsTheWaitingRoom: neither by what is long, nor by what is decided again and again, nor by what nobody
// decides.
func TestC1NobodyFillsTheWaitingRoom(t *testing.T) {
	b := newBed(t)
	long := b.issueOf("urn:tlagate:op:pki:p2")
	for i := range 500 {
		long.DNS = append(long.DNS, fmt.Sprintf("%s%d.example.invalid", strings.Repeat("a", 50), i))
	}
	require.Equal(t, TooLarge, b.do("both", "issue", long, &Issued{}))
	padded := b.issueOf(operator + "zoe")
	padded.CSR = strings.Repeat("<", 12<<10) + "\n" + padded.CSR // which the file has six times as long
	require.NotEmpty(t, b.do("both", "issue", padded, &Issued{}))

	open := Waiting{ID: 1, State: Open, Until: time.Now().Add(time.Hour), Key: strings.Repeat("k", maxOne-1000)}
	late, decided := open, open
	late.Until, decided.State = time.Now().Add(-time.Hour), Issuance
	decided.Chain = strings.Repeat("c", 16<<10)
	list := append(slices.Repeat([]Waiting{decided}, mostKept), slices.Repeat([]Waiting{open}, mostWaiting-1)...)
	room := &waitingRoom{dir: b.dir}
	require.NoError(t, room.write(append(list, late)))
	add := func() error {
		_, err := room.add(open, func(Waiting) error { return nil })
		return err
	}
	require.NoError(t, add(), "what nobody decided in time is no longer open")
	require.Error(t, add())
	list, err := room.list()
	require.NoError(t, err, "what was written can be read")
	require.Len(t, list, mostWaiting+mostKept)
	require.EqualValues(t, 2, list[len(list)-1].ID)
	require.Equal(t, late.Until.Unix(), list[len(list)-2].Until.Unix(), "the oldest one went")
}

// TestSA2AClockThatGoesBackHidesNoEmergency: one that comes after another that was acknowledged, and that a clock dated
// years ahead, is in the log and in the status.
func TestSA2AClockThatGoesBackHidesNoEmergency(t *testing.T) {
	b := newBed(t)
	ahead := Emergency{At: time.Now().AddDate(5, 0, 0), Account: "root", Act: "revoke", Why: "first"}
	require.NoError(t, BreakGlass(b.dir, ahead))
	logged := func(why string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(b.log.String(), "why="+why) }, patience,
			5*time.Millisecond)
	}
	logged("first")
	require.Empty(t, b.do("security", "acknowledge", Acknowledge{"asked"}, &Done{}))
	require.NoError(t, BreakGlass(b.dir, Emergency{At: time.Now(), Account: "root", Act: "revoke", Why: "second"}))
	logged("second")
	list, err := Emergencies(b.dir)
	require.NoError(t, err)
	require.Equal(t, []string{operator + "security", ""}, []string{list[0].Seen, list[1].Seen})
	require.Empty(t, b.do("security", "acknowledge", Acknowledge{"asked"}, &Done{}))
	list, err = Emergencies(b.dir)
	require.NoError(t, err)
	require.Equal(t, operator+"security", list[1].Seen)
}

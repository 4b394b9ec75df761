package server

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/internal/logtest"
	"tlagate/internal/pulse/pulsetest"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// TestC2RevocationsOfBeforeTheStartAreNoNews: they are in force, and counted in one line; a later one has its own.
func TestC2RevocationsOfBeforeTheStartAreNoNews(t *testing.T) {
	b := newBed(t, ca.InitConfig{})
	_, first := b.issue("tla", terminal)
	_, second := b.issue("tla", "urn:tlagate:cab1:tla:t2")
	_, third := b.issue("tla", "urn:tlagate:cab1:tla:t3")
	_, fourth := b.issue("tla", "urn:tlagate:cab1:tla:t4")
	cert, _ := b.issue("pki", "urn:tlagate:op:pki:ca1", "localhost")
	logged := &logtest.Buffer{}
	log := slog.New(slog.NewTextHandler(logged, nil))
	believes, err := trust.Open(trust.Config{Anchors: []trust.AnchorFile{{File: b.ca.Public("root.crt"),
		Practices: []string{"*"}}}, Revocation: b.lists(), Log: log})
	require.NoError(t, err)
	b.revoke(first[0], store.KeyCompromise)
	b.revoke(second[0], store.Hold)
	b.revoke(fourth[0], store.Hold)
	_, err = b.ca.Revocations.Release(ca.Selection{Serial: store.FormatSerial(fourth[0].SerialNumber)})
	require.NoError(t, err)

	party := b.party(cert)
	party.Trust = believes
	s, err := New(Config{CA: b.open(), Party: party, Log: log})
	require.NoError(t, err)
	defer s.Close()
	w := &watcher{server: s, version: -1}
	require.NoError(t, w.look(t.Context()))
	require.Equal(t, pki.Revoked, refusedFor(believes, first))
	require.Equal(t, pki.Revoked, refusedFor(believes, second))
	require.NotContains(t, logged.String(), "level=WARN")
	require.Contains(t, logged.String(), `msg="revocations of before this start are in force" certificates=3 released=1`)
	require.NotContains(t, logged.String(), "released from hold")

	b.revoke(third[0], store.KeyCompromise)
	require.NoError(t, w.look(t.Context()))
	require.Equal(t, pki.Revoked, refusedFor(believes, third))
	require.Equal(t, 1, strings.Count(logged.String(), "certificate denied"))
	require.Equal(t, 1, strings.Count(logged.String(), "before this start"))
}

// TestAliveHangsAsTheServerDoes: while it looks at the books.
func TestAliveHangsAsTheServerDoes(t *testing.T) {
	b := newBed(t, ca.InitConfig{})
	_, chain := b.issue("tla", terminal)
	cert, _ := b.issue("pki", "urn:tlagate:op:pki:ca1", "localhost")
	s, err := New(Config{CA: b.open(), Party: b.party(cert)})
	require.NoError(t, err)
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, Listeners{Events: l}) }()
	s.Alive()
	pulsetest.Hangs(t, s.Alive, func() { s.mu.Lock(); b.revoke(chain[0], store.KeyCompromise) }, s.mu.Unlock)
	stop()
	require.NoError(t, <-done)
	s.Alive() // a server that has stopped hangs in nothing
}

package pdt

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tlagate/dialer"
	"tlagate/internal/address"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/consent"
	"tlagate/session/link"
)

// Config configures a Service. It must not be changed after New. The caller runs the trust stores (trust.Trust.Run):
// live peers are cut when these learn of a revocation.
type Config struct {
	Gateways []string    // of each as address.Server reads it, at least one
	Client   trust.Party // our client certificate, and whom to trust on outer links
	Server   trust.Party // our server certificate, and whom to trust in card sessions; the same identity
	Access   Access      // TLAs of other practices; zero = none
	Users    Users       // who may use TLAs, and how they prove who they are; zero = nobody is asked

	// Readers show the cards of each slot to programs; see [tlagate/pdt/vpcd]. A nil Reader shows none.
	Readers [session.Slots]Reader

	Status    string        // path of the status socket; "" = none
	Heartbeat time.Duration // of links and sessions; 0 = 5 s and 3 s
	Limit     time.Duration // longest session; 0 = 12 h
	Ahead     int           // how many answers a TLA may send before programs ask for them; 0 = none
	Grace     time.Duration // how long a session outlives its link; 0 = 30 s, which the TLA counts on
	Recheck   time.Duration // longest time between two checks of a live peer's certificate; 0 = 30 s
	Log       *slog.Logger  // nil = discard

	// Retry is the longest pause before a gateway is dialled again, after its first failure and while somebody waits
	// for it (0 = 1 s); RetryMax is the longest pause otherwise (0 = 10 s). A pause lasts at least half of that.
	Retry, RetryMax time.Duration

	// Consented is called with each consent that was verified: what it says, its text, and the certificate of the TLA
	// whose key signed it (C4). nil = nobody is told.
	Consented func(said consent.Statement, text string, signer *x509.Certificate)

	// Trace is called for each session that is up, ended or failed. nil = nothing is called. It must return soon.
	Trace func(Event)

	// Home is run beside a session, once for every link of it whose gateway takes lines of our trace
	// (link.Conn.WriteTrace), with the session's id. It must return when ctx ends, which is when the link does; nil =
	// nothing is run.
	Home func(ctx context.Context, session string, to *link.Conn)

	// Warnings returns sentences for the status about what is going to be a problem; nil = none.
	Warnings func() []string

	// Of the signed configuration that we work with (docs/bundle.md); nil = there is none.
	Bundle   func() uint64                                   // its version, for gateways
	Outdated func(ctx context.Context, gateway string) error // fetches the newer one that a gateway demands
	Answers  func(ocsp [][]byte)                             // takes OCSP answers of gateways; must not block
	Reached  func(gateway string)                            // a gateway was reached, at first or again; must not block

	// Software is what gateways are told of our program; zero = nothing.
	Software link.Software

	// Dial connects to a gateway; nil = [dialer.Direct].
	Dial dialer.Func

	// Network tells of changes, after which gateways are dialled at once; nil = the service's own. Run has it watch
	// this machine.
	Network *dialer.Network
}

const setUp = 10 * time.Second // limit of each step before a peer is trusted: dial, request, hello

func (c Config) withDefaults() Config {
	c.Limit = cmp.Or(c.Limit, 12*time.Hour)
	c.Grace = cmp.Or(c.Grace, 30*time.Second)
	c.Recheck = cmp.Or(c.Recheck, 30*time.Second)
	c.Retry = cmp.Or(c.Retry, time.Second)
	c.RetryMax = cmp.Or(c.RetryMax, 10*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = dialer.Direct()
	}
	if c.Network == nil {
		c.Network = new(dialer.Network)
	}
	c.Dial = c.Network.Over(c.Dial)
	return c
}

// identify checks the configuration and returns our identity, on which both certificates must agree.
func (c Config) identify() (pki.Identity, error) {
	if err := CheckGateways(c.Gateways); err != nil {
		return pki.Identity{}, err
	}
	us, err := ownIdentity("client", c.Client)
	if err != nil {
		return us, err
	}
	server, err := ownIdentity("server", c.Server)
	if err == nil && server != us {
		err = fmt.Errorf("cannot start with certificates of two identities: the client certificate is of %s, the "+
			"server certificate of %s", us, server)
	}
	return us, err
}

// CheckGateways requires at least one gateway, and names each that can never work.
func CheckGateways(list []string) error {
	if len(list) == 0 {
		return errors.New("cannot start without a gateway: name at least one")
	}
	return address.Servers("gateways", list)
}

func ownIdentity(use string, p trust.Party) (pki.Identity, error) {
	id, err := pki.IdentityOf(p.Certificate().Leaf)
	if err == nil && id.Role != pki.RolePdT {
		err = fmt.Errorf("it is of a %s, want a %s", id.Role, pki.RolePdT)
	}
	if err != nil {
		return id, fmt.Errorf("cannot use the %s certificate: %w", use, err)
	}
	return id, nil
}

package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"reflect"

	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/internal/describe"
)

// Rejected is the error when the peer refused us with a TLS alert. The alert says little; our own certificate may say
// more.
type Rejected struct {
	Alert  tls.AlertError // the peer's alert
	Reason pki.Reason     // what is likely wrong, as far as can be known here; "" = only the peer knows
	Hint   string         // a sentence: what our own certificate lets us know, and what to do
}

// Error returns a text with the alert and the hint.
func (r *Rejected) Error() string {
	return fmt.Sprintf("the peer refused us (%v): %s", r.Alert, r.Hint)
}

// Unwrap returns the alert.
func (r *Rejected) Unwrap() error { return r.Alert }

// Explain returns a *Rejected for a TLS alert of the peer, and any other error, or nil, as it is.
func (p *Party) Explain(err error) error {
	alert, ok := remoteAlert(err)
	if !ok {
		return err
	}
	return p.rejected(alert, x509.ExtKeyUsageClientAuth)
}

// remoteAlert returns the alert that the peer sent, if err is one. On TCP, crypto/tls returns a *net.OpError with Op
// "remote error" around a type of its own that is a uint8 (only QUIC has a tls.AlertError).
func remoteAlert(err error) (tls.AlertError, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return tls.AlertError(v.Uint()), true
}

// Alerts that say what is wrong even without a look at a certificate (RFC 8446 section 6).
const (
	alertHandshakeFailure      = 40
	alertProtocolVersion       = 70
	alertInsufficientSecurity  = 71
	alertNoApplicationProtocol = 120
)

func (p *Party) rejected(alert tls.AlertError, side x509.ExtKeyUsage) *Rejected {
	r := &Rejected{Alert: alert}
	switch alert {
	case alertProtocolVersion:
		r.Reason, r.Hint = pki.TLSVersion, "it does not speak TLS 1.3; update it, or whatever is between"
	case alertHandshakeFailure, alertInsufficientSecurity:
		r.Reason, r.Hint = pki.CipherSuite,
			"it accepts none of our cipher suites or groups; update it, or whatever is between"
	case alertNoApplicationProtocol:
		r.Reason, r.Hint = pki.ALPN, "it serves something else at that address; check the address and port"
	default:
		r.Reason, r.Hint = p.hint(side)
	}
	return r
}

// hint judges our own certificate as the peer may have done.
func (p *Party) hint(side x509.ExtKeyUsage) (pki.Reason, string) {
	chain, err := p.ourChain()
	if err != nil {
		return pki.NoCertificate, "we have no readable certificate of our own to show"
	}
	_, err = p.Trust.VerifyKnown(chain, Want{Usage: side})
	what := fmt.Sprintf("our certificate %s ", describe.Serial(chain[0]))
	reason := pki.ReasonOf(err)
	if why, ok := ownFaults[reason]; ok {
		return reason, what + why(p, chain[0])
	}
	return "",
		fmt.Sprintf("%sends at %s and looks right from here; ask the operator, who finds the reason in the peer's log",
			what, stamp.Instant(chain[0].NotAfter))
}

func (p *Party) ourChain() ([]*x509.Certificate, error) {
	if p.Certificate == nil {
		return nil, errors.New("no certificate")
	}
	own := p.Certificate()
	if own == nil || len(own.Certificate) == 0 {
		return nil, errors.New("no certificate")
	}
	return pki.ParseChain(own.Certificate)
}

// ownFaults are the reasons that our own certificate can reveal; CRLs that are missing or stale here say nothing about
// the peer's.
var ownFaults = map[pki.Reason]func(p *Party, c *x509.Certificate) string{
	pki.Expired: func(p *Party, c *x509.Certificate) string {
		return fmt.Sprintf("or an issuer of it has ended (it ends at %s, our clock says %s); "+
			"renew it, or set the clock", stamp.Instant(c.NotAfter), stamp.Instant(p.Trust.now()))
	},
	pki.NotYetValid: func(p *Party, c *x509.Certificate) string {
		return fmt.Sprintf("is not valid yet (it begins at %s, our clock says %s); is the clock wrong?",
			stamp.Instant(c.NotBefore), stamp.Instant(p.Trust.now()))
	},
	pki.ExtKeyUsage:    fault("is for another use than this side's; configure the right one"),
	pki.AnyExtKeyUsage: fault("allows any use, which is never accepted; have a proper one issued"),
	pki.KeyUsage:       fault("lacks digitalSignature, or its CA lacks keyCertSign; have a proper one issued"),
	pki.UnknownIssuer: fault("comes without an issuer that leads to an anchor known here; " +
		"put the issuing CA's certificate behind it in its file"),
	pki.SelfSigned:     fault("is signed by itself; have one issued by the CA"),
	pki.BadSignature:   fault("is not signed by the issuer it names; have it issued again"),
	pki.BadCertificate: fault("is malformed; have it issued again"),
	pki.NotCA:          fault("has an issuer that is no CA; have it issued again"),
	pki.Policy:         fault("names no certificate policy; have it issued again"),
	pki.WeakKey:        fault("or an issuer of it has a weak key; have a new one issued"),
	pki.WeakSignature:  fault("or an issuer of it is signed with a weak algorithm; have a new one issued"),
	pki.BadIdentity:    fault("names no urn:tlagate identity; have a proper one issued"),
	pki.NameSpace:      fault("names a practice its anchor does not vouch for; ask the operator"),
	pki.TestCA: fault("comes from a test CA (named TEST…), which the other side refuses; " +
		"have one issued by the production CA"),
	pki.Revoked:   fault("is revoked; ask the operator for a new one"),
	pki.CARevoked: fault("comes from a CA that is revoked; ask the operator for a new one"),
}

func fault(text string) func(*Party, *x509.Certificate) string {
	return func(*Party, *x509.Certificate) string { return text }
}

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync/atomic"
	"time"

	"tlagate/ca"
)

// stapler adds an OCSP answer to the server's certificate: a device that enrols has no list and knows no responder
// (docs/enrolment.md, section 2). A responder's answer (trust.ocsp) is preferred; without one the issuing CA signs an
// answer itself.
type stapler struct {
	ca    *ca.CA
	inner func() *tls.Certificate
	log   *slog.Logger
	own   atomic.Pointer[stapled]
}

// stapled is an answer about the certificate whose DER is leaf.
type stapled struct {
	leaf  string
	der   []byte
	renew time.Time
	end   time.Time
}

const (
	stapleLife  = time.Hour        // of an answer, which can be replayed for so long after a revocation
	stapleRenew = 20 * time.Minute // after which a new one is signed
	stapleCheck = 10 * time.Second // how often it checks whether one is due, or the certificate has changed
)

// certificate fits trust.Party.Certificate. It never waits.
func (s *stapler) certificate() *tls.Certificate {
	cert := s.inner()
	if cert == nil || len(cert.OCSPStaple) > 0 || len(cert.Certificate) == 0 {
		return cert
	}
	own := s.own.Load()
	if own == nil || own.leaf != string(cert.Certificate[0]) || time.Now().After(own.end) {
		return cert
	}
	with := *cert
	with.OCSPStaple = own.der
	return &with
}

// keep signs answers in time, and looks again whenever the books change: a revoked certificate is no longer vouched
// for.
func (s *stapler) keep(ctx context.Context, news func() <-chan struct{}) {
	tick := time.NewTicker(stapleCheck)
	defer tick.Stop()
	for {
		changed := news()
		s.renew(time.Now())
		select {
		case <-tick.C:
		case <-changed:
			if own := s.own.Load(); own != nil {
				again := *own
				again.renew = time.Time{}
				s.own.Store(&again)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *stapler) renew(now time.Time) {
	cert := s.inner()
	if cert == nil || len(cert.Certificate) == 0 {
		return
	}
	own := s.own.Load()
	if own != nil && own.leaf == string(cert.Certificate[0]) && now.Before(own.renew) {
		return
	}
	next, err := s.sign(cert, now)
	if err != nil {
		s.log.Error("cannot staple a new OCSP answer: without one, devices that enrol refuse us", "error", err)
		if ca.DeniedFor(err) != "" { // a permanent failure
			s.own.Store(nil)
		}
		return
	}
	s.own.Store(next)
}

func (s *stapler) sign(cert *tls.Certificate, now time.Time) (*stapled, error) {
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, err
	}
	der, end, err := s.ca.Answer(leaf, stapleLife)
	return &stapled{string(leaf.Raw), der, now.Add(stapleRenew), end}, err
}

package crl

import (
	"crypto/x509"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/pki/internal/certutil"
)

// Scope is a CRL's issuing distribution point (RFC 5280 section 5.2.5). The zero Scope is everything that the CA
// issued.
type Scope struct {
	Raw      []byte // DER of the extension; nil = none
	urls     []string
	names    []string // DER of the directory names; only the profile RFC5280 uses them
	named    bool     // it has a distribution point name
	onlyUser bool
	onlyCA   bool
}

var (
	errIDP         = errors.New("its issuing distribution point is unreadable")
	errIDPIndirect = errors.New("it is an indirect CRL")
	errIDPPartial  = errors.New("it covers some revocation reasons only")
	errIDPAttrs    = errors.New("it covers attribute certificates only")
)

func (s *Scope) parse(value []byte) error {
	s.Raw = value
	var point, reasons cryptobyte.String
	seq, ok := der.Sequence(value)
	if !ok {
		return errIDP
	}
	var partial bool
	if !seq.ReadOptionalASN1(&point, &s.named, der.Context0) ||
		s.named && !s.parseName(point) ||
		!readFlag(&seq, 1, &s.onlyUser) || !readFlag(&seq, 2, &s.onlyCA) ||
		!seq.ReadOptionalASN1(&reasons, &partial, cbasn1.Tag(3).ContextSpecific()) {
		return errIDP
	}
	var indirect, attributes bool
	if !readFlag(&seq, 4, &indirect) || !readFlag(&seq, 5, &attributes) || !seq.Empty() {
		return errIDP
	}
	switch {
	case indirect:
		return errIDPIndirect
	case partial:
		return errIDPPartial
	case attributes:
		return errIDPAttrs
	case s.onlyUser && s.onlyCA:
		return errIDP
	}
	return nil
}

// parseName reads the URLs and directory names of a DistributionPointName; a name relative to the issuer has none.
func (s *Scope) parseName(point cryptobyte.String) bool {
	var full, value cryptobyte.String
	var tag cbasn1.Tag
	if !point.PeekASN1Tag(der.Context0) {
		return true
	}
	if !point.ReadASN1(&full, der.Context0) || !point.Empty() {
		return false
	}
	for !full.Empty() {
		if !full.ReadAnyASN1(&value, &tag) {
			return false
		}
		switch tag {
		case certutil.URIName:
			s.urls = append(s.urls, string(value))
		case certutil.DirectoryName:
			s.names = append(s.names, string(value))
		}
	}
	return true
}

func readFlag(in *cryptobyte.String, n uint8, out *bool) bool {
	var v cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&v, &present, cbasn1.Tag(n).ContextSpecific()) || present && len(v) != 1 {
		return false
	}
	*out = present && v[0] != 0
	return true
}

// NamedBy reports whether a certificate's CRL distribution points name this one by a directory name. Points for only
// some reasons, or for another CRL issuer, do not count.
func (s *Scope) NamedBy(cert *x509.Certificate) bool {
	e, has := der.Find(cert, certutil.OIDCRLPoints)
	var points, point cryptobyte.String
	in := cryptobyte.String(e.Value)
	if !has || len(s.names) == 0 || !in.ReadASN1(&points, cbasn1.SEQUENCE) {
		return false
	}
	for !points.Empty() {
		var wrapped cryptobyte.String
		var theirs Scope
		if !points.ReadASN1(&point, cbasn1.SEQUENCE) {
			return false
		}
		if !point.ReadASN1(&wrapped, der.Context0) || !point.Empty() || !theirs.parseName(wrapped) {
			continue
		}
		if slices.ContainsFunc(s.names, func(n string) bool { return slices.Contains(theirs.names, n) }) {
			return true
		}
	}
	return false
}

// Covers returns an error that says why the scope leaves a certificate out, or nil. named means that the certificate
// names the distribution point otherwise than by URL.
func (s *Scope) Covers(cert *x509.Certificate, ca, named bool) error {
	switch {
	case s.onlyUser && ca:
		return errors.New("its issuing distribution point covers no CA certificates")
	case s.onlyCA && !ca:
		return errors.New("its issuing distribution point covers CA certificates only")
	case s.named && !named &&
		!slices.ContainsFunc(s.urls, func(u string) bool { return slices.Contains(cert.CRLDistributionPoints, u) }):
		return errors.New("its issuing distribution point is none of the certificate's")
	}
	return nil
}

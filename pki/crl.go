package pki

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/internal/stamp"
	"tlagate/pemfile"
)

// clockSkew is how far ahead of our clock a CRL may begin: the CA's clock is not ours.
const clockSkew = 5 * time.Minute

var (
	oidDeltaCRL = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIDP      = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// crl is one complete revocation list (a CRL or an ARL) as read, not yet believed. It keeps its DER, and an index of
// the entries: about 50 bytes an entry.
type crl struct {
	source  string               // file or URL
	list    *x509.RevocationList // without its entries
	der     []byte               // all of it
	tbs     []byte               // what is signed
	scope   scope
	entries entries
	indexed sync.Once
	problem string // what makes it unusable whoever signed it; "" = nothing

	mu      sync.Mutex
	signers map[[32]byte]error // outcome of the signature check, by the issuer's key
}

func (c *crl) String() string {
	return fmt.Sprintf("CRL %s of %s (number %s, until %s)", c.source, name(c.list.Issuer.CommonName), c.number(), stamp.Instant(c.list.NextUpdate))
}

// about names the CRL where a refusal's detail says the rest.
func (c *crl) about() string {
	return fmt.Sprintf("CRL %s of %s", c.source, name(c.list.Issuer.CommonName))
}

// number gives zero for one that no list may have: a stranger's could have a million digits.
func (c *crl) number() *big.Int {
	if !c.numbered() {
		return new(big.Int)
	}
	return c.list.Number
}

func (c *crl) numbered() bool {
	return c.list.Number != nil && c.list.Number.Sign() >= 0 && c.list.Number.BitLen() <= 160
}

// index makes find quick.
func (c *crl) index() { c.indexed.Do(c.entries.index) }

// find gives the entry of a serial (big-endian, without leading zeros). Ask it of lists only whose signature is good:
// the first question makes the index.
func (c *crl) find(serial []byte) (entry, bool) {
	c.index()
	return c.entries.find(serial)
}

// sameSeries says whether both are numbered in one series: same CA, same key, same distribution point.
func (c *crl) sameSeries(o *crl) bool {
	return bytes.Equal(c.list.RawIssuer, o.list.RawIssuer) && bytes.Equal(c.list.AuthorityKeyId, o.list.AuthorityKeyId) &&
		bytes.Equal(c.scope.raw, o.scope.raw)
}

func (c *crl) forCertificate(cert *x509.Certificate) Revocation {
	return Revocation{serial(cert), SourceCRL, c.source, c.number().String(), c.list.ThisUpdate, c.list.NextUpdate}
}

// refuse gives a refusal that names the CRL.
func (c *crl) refuse(r Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: r, Subject: c.about(), Detail: fmt.Sprintf(format, args...)}
}

// checkIssuer says whether the CRL is a good one of this very CA, dates apart.
func (c *crl) checkIssuer(issuer *x509.Certificate) *Refusal {
	switch {
	case c.problem != "":
		return c.refuse(CRLBad, "%s", c.problem)
	case len(issuer.SubjectKeyId) == 0 || !bytes.Equal(c.list.AuthorityKeyId, issuer.SubjectKeyId):
		return c.refuse(CRLWrongIssuer, "it is signed by another key (identifier %x) than that of %s", c.list.AuthorityKeyId, describeCA(issuer))
	case hasKeyUsage(issuer) && issuer.KeyUsage&x509.KeyUsageCRLSign == 0: // without one, the path's check of key usage decides
		return c.refuse(CRLWrongIssuer, "%s lacks cRLSign and cannot sign it", describeCA(issuer))
	}
	if err := c.signedBy(issuer); err != nil {
		return c.refuse(CRLBadSignature, "%v", err)
	}
	return nil
}

func hasKeyUsage(c *x509.Certificate) bool {
	_, has := der.Find(c, oidKeyUsage)
	return has
}

// signedBy verifies the signature, once for each key.
func (c *crl) signedBy(issuer *x509.Certificate) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	err, known := c.signers[key]
	if !known {
		if err = CheckSignatureAlgorithm(c.list.SignatureAlgorithm); err == nil {
			err = issuer.CheckSignature(c.list.SignatureAlgorithm, c.tbs, c.list.Signature)
		}
		if c.signers == nil || len(c.signers) >= maxSigners {
			c.signers = make(map[[32]byte]error)
		}
		c.signers[key] = err
	}
	return err
}

const maxSigners = 16

func (c *crl) checkFuture(now time.Time) *Refusal {
	if c.list.ThisUpdate.After(now.Add(clockSkew)) {
		return c.refuse(CRLFuture, "it begins at %s and it is %s here; set the clock, unless the CA's is wrong", stamp.Instant(c.list.ThisUpdate), stamp.Instant(now))
	}
	return nil
}

func (c *crl) checkStale(now time.Time) *Refusal {
	if now.After(c.list.NextUpdate) {
		return c.refuse(CRLStale, "it ended at %s and it is %s here; publish a new one", stamp.Instant(c.list.NextUpdate), stamp.Instant(now))
	}
	return nil
}

// maxLists bounds what one source gives: each is looked at in each verification, and compared with the others.
const maxLists = 1000

// parseCRLs reads one DER list, or several PEM ones, until ctx ends.
func parseCRLs(ctx context.Context, source string, data []byte) ([]*crl, error) {
	blocks, err := pemfile.Read(data, pemfile.CRL)
	if err != nil {
		return nil, err
	}
	if len(blocks) > maxLists {
		return nil, fmt.Errorf("it holds %d lists, and no more than %d are taken", len(blocks), maxLists)
	}
	var lists []*crl
	for _, b := range blocks {
		c, err := readCRL(ctx, source, b.Bytes)
		if err != nil {
			return nil, b.At(err)
		}
		lists = append(lists, c)
	}
	return lists, nil
}

// readCRL has crypto/x509 read everything but the entries (it keeps 348 bytes an entry) and reads those itself.
func readCRL(ctx context.Context, source string, der []byte) (*crl, error) {
	parts, err := splitCRL(der)
	if err != nil {
		return nil, err
	}
	list, err := x509.ParseRevocationList(parts.slim)
	if err != nil {
		return nil, fmt.Errorf("cannot read the CRL: %w", err)
	}
	c := &crl{source: source, list: list, der: der, tbs: parts.tbs}
	if c.entries, err = readEntries(ctx, parts.entries); err != nil {
		return nil, err
	}
	c.problem = c.findProblem()
	return c, nil
}

// findProblem looks for what makes a readable CRL unusable; it fills in the scope.
func (c *crl) findProblem() string {
	if !c.numbered() {
		return "it has no CRLNumber of at most 20 octets"
	}
	if len(c.list.AuthorityKeyId) == 0 {
		return "it has no authority key identifier"
	}
	if c.list.NextUpdate.IsZero() {
		return "it has no nextUpdate"
	}
	if c.entries.critical {
		return "an entry has a critical extension that is unknown here, or names another issuer"
	}
	return c.checkExtensions()
}

func (c *crl) checkExtensions() string {
	seen := map[string]bool{}
	for _, e := range c.list.Extensions {
		id := e.Id.String()
		if seen[id] {
			return "it has the extension " + id + " twice"
		}
		seen[id] = true
		if e.Id.Equal(oidDeltaCRL) {
			return "it is a delta CRL; a complete one is wanted"
		}
		if e.Critical && !slices.ContainsFunc([]asn1.ObjectIdentifier{der.AuthorityKeyIdentifier, der.CRLNumber, oidIDP}, e.Id.Equal) {
			return "it has the critical extension " + id + ", which is unknown here"
		}
		if e.Id.Equal(oidIDP) {
			if err := c.scope.parse(e.Value); err != nil {
				return err.Error()
			}
		}
	}
	return ""
}

// crlParts are the pieces of a CRL's DER.
type crlParts struct {
	slim    []byte // the same CRL without entries
	tbs     []byte // the signed part, entries included
	entries []byte // content of revokedCertificates
}

var errCRL = errors.New("cannot read the CRL: it is no DER CertificateList (RFC 5280 section 5.1)")

func splitCRL(der []byte) (crlParts, error) {
	var p crlParts
	var outer, tbs, tbsElement, head, rest, entries cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1Element(&tbsElement, cbasn1.SEQUENCE) {
		return p, errCRL
	}
	p.tbs, rest = tbsElement, tbsElement
	if !rest.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return p, errCRL
	}
	head = tbs
	if !skipToEntries(&tbs) {
		return p, errCRL
	}
	head = head[:len(head)-len(tbs)]
	if tbs.PeekASN1Tag(cbasn1.SEQUENCE) && !tbs.ReadASN1(&entries, cbasn1.SEQUENCE) {
		return p, errCRL
	}
	p.entries = entries
	var err error
	p.slim, err = joinCRL(head, tbs, outer)
	return p, err
}

// skipToEntries reads version, algorithm, issuer and dates.
func skipToEntries(tbs *cryptobyte.String) bool {
	if !tbs.SkipOptionalASN1(cbasn1.INTEGER) || !tbs.SkipASN1(cbasn1.SEQUENCE) || !tbs.SkipASN1(cbasn1.SEQUENCE) {
		return false
	}
	for _, optional := range []bool{false, true} {
		found := tbs.PeekASN1Tag(cbasn1.UTCTime) || tbs.PeekASN1Tag(cbasn1.GeneralizedTime)
		var ignored cryptobyte.String
		var tag cbasn1.Tag
		if !found && !optional || found && !tbs.ReadAnyASN1(&ignored, &tag) {
			return false
		}
	}
	return true
}

func joinCRL(head, extensions, trailer []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(head)
			b.AddBytes(extensions)
		})
		b.AddBytes(trailer)
	})
	return b.Bytes()
}

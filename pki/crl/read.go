package crl

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/pemfile"
)

// Read reads DER, for a program that publishes lists. It judges only the form: the caller calls CheckSignature.
func Read(der []byte) (*List, error) {
	c, err := ReadFrom(context.Background(), "list", der)
	if err != nil {
		return nil, err
	}
	if c.problem != "" {
		return nil, errors.New(c.problem)
	}
	return c, nil
}

// CheckSignature returns an error unless issuer, by its name and its key identifier, has signed the list.
func (c *List) CheckSignature(issuer *x509.Certificate) error {
	if !bytes.Equal(c.Head.RawIssuer, issuer.RawSubject) {
		return errors.New("it is in another CA's name")
	}
	if refusal := c.CheckIssuer(issuer); refusal != nil {
		return refusal
	}
	return nil
}

// ThisUpdate returns when the list begins.
func (c *List) ThisUpdate() time.Time { return c.Head.ThisUpdate }

// NextUpdate returns when the list ends.
func (c *List) NextUpdate() time.Time { return c.Head.NextUpdate }

// Len returns the number of entries.
func (c *List) Len() int { return c.entries.count }

// Has reports whether a serial number is on the list.
func (c *List) Has(serial *big.Int) bool {
	_, found := c.Find(serial.Bytes())
	return found
}

// Each calls f with every serial number and its CRLReason (RFC 5280 section 5.3.1; 0 when none is stated) until an
// error, which it returns. f must not keep the number: the next call changes it.
func (c *List) Each(f func(serial *big.Int, reason int) error) error {
	serial := new(big.Int)
	for in := cryptobyte.String(c.entries.der); !in.Empty(); {
		e, err := c.entries.read(&in)
		if err != nil {
			return err
		}
		if err := f(serial.SetBytes(e.serial), e.Reason); err != nil {
			return err
		}
	}
	return nil
}

// maxLists bounds the lists of one source: every verification examines each of them, and compares it with the others.
const maxLists = 1000

// Parse reads one DER list, or several PEM ones, until ctx ends.
func Parse(ctx context.Context, source string, data []byte) ([]*List, error) {
	blocks, err := pemfile.Read(data, pemfile.CRL)
	if err != nil {
		return nil, err
	}
	if len(blocks) > maxLists {
		return nil, fmt.Errorf("it holds %d lists, and no more than %d are taken", len(blocks), maxLists)
	}
	var lists []*List
	for _, b := range blocks {
		c, err := ReadFrom(ctx, source, b.Bytes)
		if err != nil {
			return nil, b.At(err)
		}
		lists = append(lists, c)
	}
	return lists, nil
}

// ReadFrom lets crypto/x509 read everything but the entries, for which it would keep 348 bytes each, and reads those
// itself.
func ReadFrom(ctx context.Context, source string, der []byte) (*List, error) {
	parts, err := splitCRL(der)
	if err != nil {
		return nil, err
	}
	list, err := x509.ParseRevocationList(parts.slim)
	if err != nil {
		return nil, fmt.Errorf("cannot read the CRL: %w", err)
	}
	c := &List{Source: source, Head: list, DER: der, tbs: parts.tbs}
	if c.entries, err = readEntries(ctx, parts.entries); err != nil {
		return nil, err
	}
	c.problem = c.findProblem()
	return c, nil
}

// findProblem returns what makes a readable CRL unusable, "" if nothing does; it fills in the scope.
func (c *List) findProblem() string {
	if !c.numbered() {
		return "it has no CRLNumber of at most 20 octets"
	}
	if len(c.Head.AuthorityKeyId) == 0 {
		return "it has no authority key identifier"
	}
	if c.Head.NextUpdate.IsZero() {
		return "it has no nextUpdate"
	}
	if c.entries.critical {
		return "an entry has a critical extension that is unknown here, or names another issuer"
	}
	return c.extensionProblem()
}

func (c *List) extensionProblem() string {
	seen := map[string]bool{}
	for _, e := range c.Head.Extensions {
		id := e.Id.String()
		if seen[id] {
			return "it has the extension " + id + " twice"
		}
		seen[id] = true
		if e.Id.Equal(oidDeltaCRL) {
			return "it is a delta CRL; a complete one is wanted"
		}
		if e.Critical &&
			!slices.ContainsFunc([]asn1.ObjectIdentifier{der.AuthorityKeyIdentifier, der.CRLNumber, oidIDP},
				e.Id.Equal) {
			return "it has the critical extension " + id + ", which is unknown here"
		}
		if e.Id.Equal(oidIDP) {
			if err := c.Scope.parse(e.Value); err != nil {
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

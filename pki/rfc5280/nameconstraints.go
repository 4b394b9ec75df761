package rfc5280

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// nameConstraints are those of a CA (RFC 5280 section 4.2.1.10) that crypto/x509 judges otherwise, or not at all: on
// directory names, mail addresses and URIs. It judges those on DNS and IP names itself, in the second opinion.
type nameConstraints struct {
	directory constraints[[]string] // each name as its RDNs in one spelling
	mail, uri constraints[string]
}

type constraints[T any] struct{ permitted, excluded []T }

func (c constraints[T]) none() bool { return len(c.permitted)+len(c.excluded) == 0 }

// check returns an error if a name is not allowed. match reports whether a name is within base; doubtful says whether a
// doubt counts as a match.
func (c constraints[T]) check(kind string, match func(base T, doubtful bool) bool) error {
	if slices.ContainsFunc(c.excluded, func(base T) bool { return match(base, true) }) {
		return fmt.Errorf("its %s is excluded by the name constraints", kind)
	}
	if len(c.permitted) > 0 && !slices.ContainsFunc(c.permitted, func(base T) bool { return match(base, false) }) {
		return fmt.Errorf("its %s is outside the name constraints", kind)
	}
	return nil
}

var (
	errConstraints     = errors.New("its name constraints are unreadable")
	errConstraintsKind = errors.New("its name constraints are of a kind that is unknown here")
)

// NameConstraints goes from the anchor down. A self-issued CA is exempt from the constraints above it (section 6.1.3
// (b)).
func (p Path) NameConstraints() (string, *Fault) {
	for above := p.anchorAt(); above > 0; above-- {
		e, has := der.Find(p.Certs[above], certutil.OIDNameConstraints)
		if !has {
			continue
		}
		limits, err := parseNameConstraints(e.Value)
		if err != nil {
			return "", p.refuse(above, pki.NameSpace, "%v", err)
		}
		for i := above - 1; i >= 0; i-- {
			c := p.Certs[i]
			if i > 0 && certutil.SelfIssued(c) {
				continue
			}
			if err := limits.allow(c); err != nil {
				return "", p.refuse(i, pki.NameSpace, "%v of %s", err, describe.CA(p.Certs[above]))
			}
		}
	}
	return "names are within them", nil
}

func (d *nameConstraints) allow(c *x509.Certificate) error {
	names, err := directoryNames(c)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := d.directory.check("directory name", func(base []string, doubtful bool) bool {
			return within(n, base, doubtful)
		}); err != nil {
			return err
		}
	}
	return errors.Join(d.allowMail(c), d.allowURIs(c))
}

func (d *nameConstraints) allowMail(c *x509.Certificate) error {
	if d.mail.none() {
		return nil
	}
	for _, address := range mailAddresses(c) {
		i := strings.LastIndexByte(address, '@')
		if i <= 0 || strings.ContainsAny(address[:i], "\"\\") || !plainHost(address[i+1:]) {
			return errors.New("it has a mail address that cannot be judged, and there are name constraints on such")
		}
		local, host := address[:i], strings.ToLower(address[i+1:])
		err := d.mail.check("mail address", func(base string, _ bool) bool {
			if i := strings.LastIndexByte(base, '@'); i >= 0 {
				return local == base[:i] && host == strings.ToLower(base[i+1:])
			}
			return hostWithin(host, base)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mailAddresses returns those in the subjectAltName; without that extension, those in the subject.
func mailAddresses(c *x509.Certificate) []string {
	if _, has := der.Find(c, der.SubjectAltName); has {
		return c.EmailAddresses
	}
	var list []string
	for _, n := range c.Subject.Names {
		if n.Type.Equal(oidEmail) {
			list = append(list, fmt.Sprint(n.Value))
		}
	}
	return list
}

func (d *nameConstraints) allowURIs(c *x509.Certificate) error {
	if d.uri.none() {
		return nil
	}
	for _, u := range c.URIs {
		host := strings.ToLower(u.Hostname())
		if _, err := netip.ParseAddr(host); err == nil || !plainHost(host) {
			return errors.New("it has a URI without a host name, and there are name constraints on such")
		}
		if err := d.uri.check("URI", func(base string, _ bool) bool { return hostWithin(host, base) }); err != nil {
			return err
		}
	}
	return nil
}

// hostWithin reports whether a mail or URI constraint matches a host: a base that is a host matches only that host,
// ".example.org" those below it.
func hostWithin(host, base string) bool {
	base = strings.ToLower(base)
	return host == base || strings.HasPrefix(base, ".") && strings.HasSuffix(host, base)
}

// plainHost reports whether a host name is spelled in the one way that can be compared.
func plainHost(host string) bool {
	return host != "" && host[len(host)-1] != '.' && host[0] != '.' &&
		!strings.ContainsFunc(host, func(r rune) bool {
			return r > unicode.MaxASCII || r <= ' ' || r == '%' || r == '['
		})
}

// within reports whether a name is below base; doubtful says whether RDNs count as equal that can be compared only byte
// by byte and differ.
func within(name, base []string, doubtful bool) bool {
	if len(name) < len(base) {
		return false
	}
	for i := range base {
		opaque := name[i][0] == opaqueRDN || base[i][0] == opaqueRDN
		if name[i] != base[i] && !(opaque && doubtful) {
			return false
		}
	}
	return true
}

var oidEmail = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

var (
	mailTag = cbasn1.Tag(1).ContextSpecific()
	dnsTag  = cbasn1.Tag(2).ContextSpecific()
)

// directoryNames returns the subject, if there is one, and the directory names in the subjectAltName.
func directoryNames(c *x509.Certificate) ([][]string, error) {
	var list [][]string
	if !emptyName(c.RawSubject) {
		n, err := spelled(c.RawSubject)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	e, has := der.Find(c, der.SubjectAltName)
	if !has {
		return list, nil
	}
	var names, value cryptobyte.String
	var tag cbasn1.Tag
	in := cryptobyte.String(e.Value)
	if !in.ReadASN1(&names, cbasn1.SEQUENCE) {
		return nil, errors.New("its subjectAltName is unreadable")
	}
	for !names.Empty() {
		if !names.ReadAnyASN1(&value, &tag) {
			return nil, errors.New("its subjectAltName is unreadable")
		}
		if tag == certutil.DirectoryName {
			n, err := spelled(value)
			if err != nil {
				return nil, err
			}
			list = append(list, n)
		}
	}
	return list, nil
}

func parseNameConstraints(value []byte) (*nameConstraints, error) {
	var d nameConstraints
	var permitted, excluded cryptobyte.String
	var hasP, hasE bool
	seq, ok := der.Sequence(value)
	if !ok || !seq.ReadOptionalASN1(&permitted, &hasP, der.Context0) ||
		!seq.ReadOptionalASN1(&excluded, &hasE, der.Context1) || !seq.Empty() {
		return nil, errConstraints
	}
	err := readSubtrees(permitted, &d.directory.permitted, &d.mail.permitted, &d.uri.permitted)
	return &d, errors.Join(err, readSubtrees(excluded, &d.directory.excluded, &d.mail.excluded, &d.uri.excluded))
}

func readSubtrees(in cryptobyte.String, directory *[][]string, mail, uri *[]string) error {
	for !in.Empty() {
		var subtree, value cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadASN1(&subtree, cbasn1.SEQUENCE) || !subtree.ReadAnyASN1(&value, &tag) {
			return errConstraints
		}
		if !subtree.Empty() {
			return errConstraintsKind // minimum and maximum: RFC 5280 has no use for them
		}
		switch tag {
		case certutil.DirectoryName:
			n, err := spelled(value)
			if err != nil {
				return err
			}
			*directory = append(*directory, n)
		case mailTag:
			*mail = append(*mail, string(value))
		case certutil.URIName:
			*uri = append(*uri, string(value))
		case dnsTag:
			if len(value) > 0 && !isDNSName(string(value)) || bytes.HasPrefix(value, []byte("*")) {
				return errConstraintsKind
			}
		case cbasn1.Tag(7).ContextSpecific():
		default:
			return errConstraintsKind
		}
		if (tag == mailTag || tag == certutil.URIName) &&
			!plainHost(strings.TrimPrefix(string(value[bytes.LastIndexByte(value, '@')+1:]), ".")) {
			return errConstraintsKind
		}
	}
	return nil
}

var errName = errors.New("it has a directory name that is unreadable")

// How a spelled RDN begins.
const (
	plainRDN  = 'p' // comparable
	opaqueRDN = 'o' // several attributes, or not ASCII text: equal if its bytes are, otherwise in doubt
)

// spelled returns the RDNs of a DER Name in one spelling: two that are equal by RFC 5280 section 7.1 become equal
// strings, if they are ASCII text.
func spelled(name []byte) ([]string, error) {
	var set cryptobyte.String
	var list []string
	rdns, ok := der.Sequence(name)
	if !ok {
		return nil, errName
	}
	for !rdns.Empty() {
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return nil, errName
		}
		rdn, err := spelledRDN(set)
		if err != nil {
			return nil, err
		}
		list = append(list, rdn)
	}
	return list, nil
}

func spelledRDN(set cryptobyte.String) (string, error) {
	whole := string(set)
	var attribute, id, value cryptobyte.String
	var tag cbasn1.Tag
	if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1Element(&id, cbasn1.OBJECT_IDENTIFIER) ||
		!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
		return "", errName
	}
	if !set.Empty() || !isText(tag, value) {
		return string(opaqueRDN) + whole, nil
	}
	return string(plainRDN) + string(id) + strings.ToLower(strings.Join(strings.Fields(string(value)), " ")), nil
}

func isText(tag cbasn1.Tag, value []byte) bool {
	kind := tag == cbasn1.PrintableString || tag == cbasn1.UTF8String || tag == cbasn1.IA5String
	return kind && !bytes.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII || r < ' ' })
}

// SameName reports whether two DER Names are equal: byte by byte, or as RFC 5280 section 7.1 compares ASCII text.
func SameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := spelled(a)
	y, errY := spelled(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

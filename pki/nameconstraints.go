package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"unicode"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// directoryConstraints are the name constraints of a CA on directory names (RFC 5280 section 4.2.1.10). crypto/x509
// knows those on DNS, mail, URI and IP names, and judges them in its second opinion.
type directoryConstraints struct {
	permitted, excluded [][]string // names, each as its RDNs in one spelling
	mail                bool       // it has some on mail addresses
}

var (
	errConstraints     = errors.New("its name constraints are unreadable")
	errConstraintsKind = errors.New("its name constraints are of a kind that is unknown here")
)

// checkNameConstraints goes from the anchor down. A self-issued CA is exempt from those above it (section 6.1.3 (b)).
func (v *verification) checkNameConstraints() (string, *Refusal) {
	for above := v.anchorAt(); above > 0; above-- {
		e, has := extension(v.path.certs[above], oidNameConstraints)
		if !has {
			continue
		}
		limits, err := parseDirectoryConstraints(e.Value)
		if err != nil {
			return "", v.refuse(above, NameSpace, "%v", err)
		}
		for i := above - 1; i >= 0; i-- {
			c := v.path.certs[i]
			if i > 0 && selfIssued(c) {
				continue
			}
			if err := limits.allow(c); err != nil {
				return "", v.refuse(i, NameSpace, "%v of %s", err, describeCA(v.path.certs[above]))
			}
		}
	}
	return "directory names are within them", nil
}

func (d *directoryConstraints) allow(c *x509.Certificate) error {
	names, err := directoryNames(c)
	if err != nil {
		return err
	}
	if _, san := extension(c, oidSAN); d.mail && !san && hasMailInSubject(c) {
		return errors.New("the mail address in its subject is not judged here, and there are constraints on such")
	}
	for _, n := range names {
		for _, base := range d.excluded {
			if within(n, base, true) {
				return errors.New("its directory name is excluded by the name constraints")
			}
		}
		if len(d.permitted) > 0 && !withinAny(n, d.permitted) {
			return errors.New("its directory name is outside the name constraints")
		}
	}
	return nil
}

func withinAny(name []string, bases [][]string) bool {
	for _, base := range bases {
		if within(name, base, false) {
			return true
		}
	}
	return false
}

// within says whether a name lies below base; doubtful says what RDNs count as that cannot be compared but byte by byte.
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

func hasMailInSubject(c *x509.Certificate) bool {
	for _, n := range c.Subject.Names {
		if n.Type.Equal(oidEmail) {
			return true
		}
	}
	return false
}

var directoryNameTag = cbasn1.Tag(4).ContextSpecific().Constructed()

// directoryNames gives the subject, when there is one, and the directory names of the subjectAltName.
func directoryNames(c *x509.Certificate) ([][]string, error) {
	var list [][]string
	if !emptyName(c.RawSubject) {
		n, err := spelled(c.RawSubject)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	e, has := extension(c, oidSAN)
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
		if tag == directoryNameTag {
			n, err := spelled(value)
			if err != nil {
				return nil, err
			}
			list = append(list, n)
		}
	}
	return list, nil
}

func parseDirectoryConstraints(der []byte) (*directoryConstraints, error) {
	var d directoryConstraints
	var seq, permitted, excluded cryptobyte.String
	var hasP, hasE bool
	in := cryptobyte.String(der)
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || !seq.ReadOptionalASN1(&permitted, &hasP, context0) ||
		!seq.ReadOptionalASN1(&excluded, &hasE, context1) || !seq.Empty() {
		return nil, errConstraints
	}
	var err error
	if d.permitted, err = d.subtrees(permitted); err != nil {
		return nil, err
	}
	d.excluded, err = d.subtrees(excluded)
	return &d, err
}

func (d *directoryConstraints) subtrees(in cryptobyte.String) ([][]string, error) {
	var list [][]string
	for !in.Empty() {
		var subtree, value cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadASN1(&subtree, cbasn1.SEQUENCE) || !subtree.ReadAnyASN1(&value, &tag) {
			return nil, errConstraints
		}
		if !subtree.Empty() {
			return nil, errConstraintsKind // minimum and maximum: RFC 5280 has no use for them
		}
		switch tag {
		case directoryNameTag:
			n, err := spelled(value)
			if err != nil {
				return nil, err
			}
			list = append(list, n)
		case cbasn1.Tag(1).ContextSpecific():
			d.mail = true
		case cbasn1.Tag(2).ContextSpecific(), cbasn1.Tag(6).ContextSpecific(), cbasn1.Tag(7).ContextSpecific():
		default:
			return nil, errConstraintsKind
		}
	}
	return list, nil
}

var errName = errors.New("it has a directory name that is unreadable")

// How a spelled RDN begins.
const (
	plainRDN  = 'p' // comparable
	opaqueRDN = 'o' // several attributes, or not ASCII text: equal when its bytes are, else who knows
)

// spelled gives the RDNs of a DER Name in one spelling: two that RFC 5280 section 7.1 holds equal come out equal, when they are
// ASCII text.
func spelled(der []byte) ([]string, error) {
	var rdns, set cryptobyte.String
	var list []string
	in := cryptobyte.String(der)
	if !in.ReadASN1(&rdns, cbasn1.SEQUENCE) || !in.Empty() {
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

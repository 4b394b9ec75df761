package cardsign

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// fileODF is EF.ODF, the directory of a PKCS#15 application's directories.
var fileODF = []byte{0x50, 0x31}

// The directories of an ODF (PKCS#15 v1.1, 6.2; ISO 7816-15, 8.3), by their tag there.
const (
	privateKeys  = 0xA0
	certificates = 0xA4
)

var (
	errDirectory = errors.New("cannot read a PKCS#15 directory of the card")
	errNotListed = errors.New("cannot find the certificate of the key in the PKCS#15 directories of the card")
)

// lookUp returns the path of the certificate of the key, by the PKCS#15 directories of the application.
func (k *Key) lookUp() ([]byte, error) {
	odf, err := k.readFile(fileODF)
	if err != nil {
		return nil, err
	}
	keys, err := k.readDirectory(odf, privateKeys)
	if err != nil {
		return nil, err
	}
	id, err := keyID(keys, k.app.Key)
	if err != nil {
		return nil, err
	}
	list, err := k.readDirectory(odf, certificates)
	if err != nil {
		return nil, err
	}
	return certificatePath(list, id)
}

// readDirectory reads the directory of that kind, which the ODF names.
func (k *Key) readDirectory(odf []byte, kind byte) ([]byte, error) {
	for b := odf; ; {
		tag, value, rest, err := cut(b)
		if err != nil {
			return nil, fmt.Errorf("%w: EF.ODF has none with the tag %02X", errDirectory, kind)
		}
		if tag == kind {
			s := cryptobyte.String(value)
			path, ok := readPath(&s)
			if !ok {
				return nil, errDirectory
			}
			return k.readFile(path)
		}
		b = rest
	}
}

// readPath reads a Path: SEQUENCE {path OCTET STRING, …}. One with an index says where in a file it is, which our
// cards do not use.
func readPath(s *cryptobyte.String) (path []byte, ok bool) {
	var inner, octets cryptobyte.String
	if !s.ReadASN1(&inner, tags.SEQUENCE) || !inner.ReadASN1(&octets, tags.OCTET_STRING) {
		return nil, false
	}
	return octets, len(octets) >= 2 && len(octets) <= 16 && len(octets)%2 == 0
}

// usageNonRepudiation is a bit of PKCS#15's KeyUsageFlags.
const usageNonRepudiation = 9

// keyID returns the identifier of the private key with that reference.
func keyID(directory []byte, reference byte) ([]byte, error) {
	for b := directory; len(b) > 0; {
		_, entry, rest, err := cut(b)
		if err != nil || b[0] == 0 || b[0] == 0xFF { // what fills the file
			break
		}
		id, ref, usage, ok := readKey(entry)
		switch {
		case !ok || ref != reference:
		case usage.At(usageNonRepudiation) != 0:
			return nil, ErrUnfitKey
		default:
			return id, nil
		}
		b = rest
	}
	return nil, fmt.Errorf("%w: no key %02X", errNotListed, reference)
}

// readKey reads CommonObjectAttributes and CommonKeyAttributes of an entry.
func readKey(entry []byte) (id []byte, reference byte, usage asn1.BitString, ok bool) {
	s := cryptobyte.String(entry)
	var attributes, octets cryptobyte.String
	if !s.SkipASN1(tags.SEQUENCE) || !s.ReadASN1(&attributes, tags.SEQUENCE) ||
		!attributes.ReadASN1(&octets, tags.OCTET_STRING) || !attributes.ReadASN1BitString(&usage) ||
		!attributes.SkipOptionalASN1(tags.BOOLEAN) || !attributes.SkipOptionalASN1(tags.BIT_STRING) {
		return nil, 0, usage, false
	}
	n := int64(0)
	ok = attributes.ReadASN1Integer(&n) && n >= -0x80 && n <= 0xFF // some write 82 as -126
	return octets, byte(n), usage, ok
}

// certificatePath returns the path of the certificate with that identifier.
func certificatePath(directory, id []byte) ([]byte, error) {
	for b := directory; len(b) > 0; {
		_, entry, rest, err := cut(b)
		if err != nil || b[0] == 0 || b[0] == 0xFF {
			break
		}
		if path, ok := readCertificateEntry(entry, id); ok {
			return path, nil
		}
		b = rest
	}
	return nil, errNotListed
}

// readCertificateEntry reads CommonObjectAttributes, CommonCertificateAttributes, and of the type's own attributes the
// path; ok is false for another identifier.
func readCertificateEntry(entry, id []byte) (path []byte, ok bool) {
	const own = tags.Tag(1) // of what belongs to the type
	s := cryptobyte.String(entry)
	var common, octets, tagged, attributes cryptobyte.String
	if !s.SkipASN1(tags.SEQUENCE) || !s.ReadASN1(&common, tags.SEQUENCE) ||
		!common.ReadASN1(&octets, tags.OCTET_STRING) ||
		!bytes.Equal(octets, id) || !s.ReadASN1(&tagged, own.ContextSpecific().Constructed()) ||
		!tagged.ReadASN1(&attributes, tags.SEQUENCE) {
		return nil, false
	}
	return readPath(&attributes)
}

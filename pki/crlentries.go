package pki

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidReason         = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidityDate = asn1.ObjectIdentifier{2, 5, 29, 24}
	oidEntryIssuer    = asn1.ObjectIdentifier{2, 5, 29, 29}
)

// entries finds a serial among the revokedCertificates of a CRL: the DER itself, and an open hash table of offsets
// into it. A million entries cost their DER and 8 MiB, and nothing for the garbage collector to follow.
type entries struct {
	der      []byte
	table    []uint32 // offset + 1; 0 = free; the length is a power of two
	seed     maphash.Seed
	count    int
	critical bool // some entry has a critical extension unknown here, or a certificateIssuer
}

// entry is one line of a CRL.
type entry struct {
	serial []byte // without leading zeros
	at     time.Time
	reason int // CRLReason, RFC 5280 section 5.3.1; 0 = unspecified
}

var errEntry = errors.New("cannot read the CRL: an entry is malformed")

func indexEntries(der []byte) (entries, error) {
	e := entries{der: der, seed: maphash.MakeSeed()}
	n, err := e.countAll()
	if err != nil {
		return e, err
	}
	e.count = n
	e.table = make([]uint32, 1<<bits.Len(uint(2*n)))
	in := cryptobyte.String(der)
	for !in.Empty() {
		offset := len(der) - len(in)
		var raw, serial cryptobyte.String
		if !in.ReadASN1(&raw, cbasn1.SEQUENCE) || !raw.ReadASN1(&serial, cbasn1.INTEGER) {
			return e, errEntry
		}
		e.insert(trimZeros(serial), uint32(offset))
	}
	return e, nil
}

// countAll reads every entry whole, so that lookups later cannot fail.
func (e *entries) countAll() (int, error) {
	n := 0
	for in := cryptobyte.String(e.der); !in.Empty(); n++ {
		if _, err := e.read(&in); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (e *entries) insert(serial []byte, offset uint32) {
	for i := e.slot(serial); ; i = (i + 1) & (len(e.table) - 1) {
		if e.table[i] == 0 {
			e.table[i] = offset + 1
			return
		}
	}
}

func (e *entries) slot(serial []byte) int {
	return int(maphash.Bytes(e.seed, serial) & uint64(len(e.table)-1))
}

// find gives the entry of a serial (big-endian, without leading zeros).
func (e *entries) find(serial []byte) (entry, bool) {
	for i := e.slot(serial); e.table[i] != 0; i = (i + 1) & (len(e.table) - 1) {
		in := cryptobyte.String(e.der[e.table[i]-1:])
		found, err := e.read(&in)
		if err == nil && bytes.Equal(found.serial, serial) {
			return found, true
		}
	}
	return entry{}, false
}

func (e *entries) read(in *cryptobyte.String) (entry, error) {
	var raw, serial, exts cryptobyte.String
	var got entry
	var present, ok bool
	if !in.ReadASN1(&raw, cbasn1.SEQUENCE) || !raw.ReadASN1(&serial, cbasn1.INTEGER) || len(serial) > 21 {
		return got, errEntry
	}
	got.serial = trimZeros(serial)
	if got.at, ok = readTime(&raw); !ok {
		return got, errEntry
	}
	if !raw.ReadOptionalASN1(&exts, &present, cbasn1.SEQUENCE) || !raw.Empty() {
		return got, errEntry
	}
	return got, e.readExtensions(exts, &got)
}

func (e *entries) readExtensions(exts cryptobyte.String, into *entry) error {
	for !exts.Empty() {
		var ext, value cryptobyte.String
		var id asn1.ObjectIdentifier
		var critical bool
		if !exts.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&id) ||
			ext.PeekASN1Tag(cbasn1.BOOLEAN) && !ext.ReadASN1Boolean(&critical) ||
			!ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return errEntry
		}
		switch {
		case id.Equal(oidReason):
			if !value.ReadASN1Enum(&into.reason) {
				return errEntry
			}
		case id.Equal(oidInvalidityDate):
		default:
			e.critical = e.critical || critical || id.Equal(oidEntryIssuer)
		}
	}
	return nil
}

func readTime(in *cryptobyte.String) (t time.Time, ok bool) {
	if in.PeekASN1Tag(cbasn1.UTCTime) {
		return t, in.ReadASN1UTCTime(&t)
	}
	return t, in.ReadASN1GeneralizedTime(&t)
}

func trimZeros(b []byte) []byte { return bytes.TrimLeft(b, "\x00") }

var crlReasons = map[int]string{
	1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation",
	6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
}

func (e entry) String() string {
	return fmt.Sprintf("revoked at %s (%s)", stamp(e.at), reasonWord(e.reason))
}

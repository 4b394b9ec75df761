package crl

import (
	"bytes"
	"context"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/internal/stamp"
	"tlagate/pki/internal/certutil"
)

// Identifiers in DER, compared without decoding: a list may have a million of them.
var (
	oidReason         = der.OID(der.CRLReason)
	oidInvalidityDate = der.OID(asn1.ObjectIdentifier{2, 5, 29, 24})
	oidEntryIssuer    = der.OID(asn1.ObjectIdentifier{2, 5, 29, 29})
)

// entries finds a serial among the revokedCertificates of a CRL: the DER itself, and an open hash table of offsets
// into it. A million entries cost their DER and 8 MiB, and nothing for the garbage collector to follow.
type entries struct {
	der      []byte
	table    []uint32 // offset + 1; 0 = free; the length is a power of two
	seed     maphash.Seed
	count    int
	critical bool // some entry has a critical extension that is unknown here, or a certificateIssuer
}

// Entry is one line of a CRL.
type Entry struct {
	serial []byte // without leading zeros
	at     time.Time
	Reason int // CRLReason, RFC 5280 section 5.3.1; 0 = unspecified
}

var errEntry = errors.New("cannot read the CRL: an entry is malformed")

// readEntries reads every entry whole, so that later lookups cannot fail. The work is in proportion to their length,
// for the signature is not verified yet.
func readEntries(ctx context.Context, der []byte) (entries, error) {
	e := entries{der: der}
	for in := cryptobyte.String(der); !in.Empty(); e.count++ {
		if e.count%entriesPerCheck == 0 && ctx.Err() != nil {
			return e, ctx.Err()
		}
		if _, err := e.read(&in); err != nil {
			return e, err
		}
	}
	return e, nil
}

// entriesPerCheck is how many entries are read between two checks whether there is time for more.
const entriesPerCheck = 4096

// index makes the table that find needs. It is called once the list's signature is known to be good.
func (e *entries) index() {
	e.seed = maphash.MakeSeed()
	e.table = make([]uint32, 1<<bits.Len(uint(2*e.count)))
	for in := cryptobyte.String(e.der); !in.Empty(); {
		e.insert(serialAt(in), uint32(len(e.der)-len(in)))
		if !in.SkipASN1(cbasn1.SEQUENCE) {
			return // readEntries has read it before
		}
	}
}

// serialAt returns the serial of the entry that in begins with, without leading zeros.
func serialAt(in cryptobyte.String) []byte {
	var raw, serial cryptobyte.String
	_ = in.ReadASN1(&raw, cbasn1.SEQUENCE) && raw.ReadASN1(&serial, cbasn1.INTEGER) // readEntries has read it before
	return certutil.TrimZeros(serial)
}

// insert adds each serial only once: otherwise a list that names one over and over would take the square of its length.
// Of several entries the first stays, unless it is a hold or lifts one: then the next replaces it.
func (e *entries) insert(serial []byte, offset uint32) {
	for i := e.position(serial); ; i = (i + 1) & (len(e.table) - 1) {
		if e.table[i] == 0 || e.hasSerial(i, serial) && e.liftable(i) {
			e.table[i] = offset + 1
			return
		}
		if e.hasSerial(i, serial) {
			return
		}
	}
}

// hasSerial reports whether position i of the table, which is in use, has this serial.
func (e *entries) hasSerial(i int, serial []byte) bool {
	return bytes.Equal(serialAt(e.der[e.table[i]-1:]), serial)
}

// liftable reports whether the entry at position i of the table may be lifted later, or lifts another.
func (e *entries) liftable(i int) bool {
	in := cryptobyte.String(e.der[e.table[i]-1:])
	found, err := e.read(&in)
	return err == nil && (found.Reason == ReasonHold || found.Reason == ReasonRemove)
}

// position returns where in the table the search for a serial begins.
func (e *entries) position(serial []byte) int {
	return int(maphash.Bytes(e.seed, serial) & uint64(len(e.table)-1))
}

// find returns the entry of a serial (big-endian, without leading zeros).
func (e *entries) find(serial []byte) (Entry, bool) {
	for i := e.position(serial); e.table[i] != 0; i = (i + 1) & (len(e.table) - 1) {
		if !e.hasSerial(i, serial) {
			continue
		}
		in := cryptobyte.String(e.der[e.table[i]-1:])
		if found, err := e.read(&in); err == nil {
			return found, true
		}
	}
	return Entry{}, false
}

func (e *entries) read(in *cryptobyte.String) (Entry, error) {
	var raw, serial, exts cryptobyte.String
	var got Entry
	var present, ok bool
	if !in.ReadASN1(&raw, cbasn1.SEQUENCE) || !raw.ReadASN1(&serial, cbasn1.INTEGER) || len(serial) > 21 {
		return got, errEntry
	}
	got.serial = certutil.TrimZeros(serial)
	if got.at, ok = readTime(&raw); !ok {
		return got, errEntry
	}
	if !raw.ReadOptionalASN1(&exts, &present, cbasn1.SEQUENCE) || !raw.Empty() {
		return got, errEntry
	}
	return got, e.readExtensions(exts, &got)
}

func (e *entries) readExtensions(exts cryptobyte.String, into *Entry) error {
	for !exts.Empty() {
		ext, ok := der.ReadExtension(&exts)
		if !ok {
			return errEntry
		}
		switch {
		case bytes.Equal(ext.ID, oidReason):
			if !ext.Value.ReadASN1Enum(&into.Reason) {
				return errEntry
			}
		case bytes.Equal(ext.ID, oidInvalidityDate):
		default:
			if _, ok := ext.ObjectIdentifier(); !ok {
				return errEntry
			}
			e.critical = e.critical || ext.Critical || bytes.Equal(ext.ID, oidEntryIssuer)
		}
	}
	return nil
}

func readTime(in *cryptobyte.String) (t time.Time, ok bool) {
	if !in.PeekASN1Tag(cbasn1.UTCTime) {
		return t, in.ReadASN1GeneralizedTime(&t)
	}
	if t, ok = plainUTCTime(*in); ok {
		return t, in.Skip(utcTimeSize)
	}
	return t, in.ReadASN1UTCTime(&t)
}

// utcTimeSize is the size of a UTCTime YYMMDDhhmmssZ with its tag and length.
const utcTimeSize = 15

// plainUTCTime reads the one form that RFC 5280 allows (section 5.1.2.4), six times as fast as cryptobyte, to which the
// caller leaves any other form. In a list of a million entries that is most of the work.
func plainUTCTime(in []byte) (t time.Time, ok bool) {
	if len(in) < utcTimeSize || in[1] != utcTimeSize-2 || in[14] != 'Z' {
		return t, false
	}
	var n [6]int
	for i := range n {
		tens, ones := in[2+2*i]-'0', in[3+2*i]-'0'
		if tens > 9 || ones > 9 {
			return t, false
		}
		n[i] = int(10*tens + ones)
	}
	year := 2000 + n[0]
	if year >= 2050 {
		year -= 100
	}
	t = time.Date(year, time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	ok = t.Month() == time.Month(n[1]) && t.Day() == n[2] && n[3] < 24 && n[4] < 60 && n[5] < 60
	return t, ok
}

// The reason that may be lifted, and the one that lifts it.
const (
	ReasonHold   = 6
	ReasonRemove = 8
)

var reasonWords = map[int]string{
	1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation",
	6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
}

// ReasonWord returns the name that RFC 5280 has for a CRLReason.
func ReasonWord(reason int) string {
	if word, ok := reasonWords[reason]; ok {
		return word
	}
	return "reason not stated"
}

// String returns when and why the certificate was revoked.
func (e Entry) String() string {
	return fmt.Sprintf("revoked at %s (%s)", stamp.Instant(e.at), ReasonWord(e.Reason))
}

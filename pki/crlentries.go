package pki

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
)

// Identifiers in DER: a list may have a million.
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
	critical bool // some entry has a critical extension unknown here, or a certificateIssuer
}

// entry is one line of a CRL.
type entry struct {
	serial []byte // without leading zeros
	at     time.Time
	reason int // CRLReason, RFC 5280 section 5.3.1; 0 = unspecified
}

var errEntry = errors.New("cannot read the CRL: an entry is malformed")

// readEntries reads every entry whole, so that lookups later cannot fail. Whoever signed them, they take their length.
func readEntries(ctx context.Context, der []byte) (entries, error) {
	e := entries{der: der}
	for in := cryptobyte.String(der); !in.Empty(); e.count++ {
		if e.count%betweenLooks == 0 && ctx.Err() != nil {
			return e, ctx.Err()
		}
		if _, err := e.read(&in); err != nil {
			return e, err
		}
	}
	return e, nil
}

// betweenLooks is how many entries are read before it is looked whether there is time for more.
const betweenLooks = 4096

// index makes the table that find needs: once the list's signature is known to be good.
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

// serialAt gives the serial of the entry that in begins with, without leading zeros.
func serialAt(in cryptobyte.String) []byte {
	var raw, serial cryptobyte.String
	_ = in.ReadASN1(&raw, cbasn1.SEQUENCE) && raw.ReadASN1(&serial, cbasn1.INTEGER) // readEntries has read it before
	return trimZeros(serial)
}

// insert takes a serial in once, or a list that names one over and over would take the square of its length. Of several
// entries the first stays, but for one that can be taken back.
func (e *entries) insert(serial []byte, offset uint32) {
	for i := e.slot(serial); ; i = (i + 1) & (len(e.table) - 1) {
		if e.table[i] == 0 || e.holds(i, serial) && e.liftable(i) {
			e.table[i] = offset + 1
			return
		}
		if e.holds(i, serial) {
			return
		}
	}
}

// holds reports whether a place of the table that is taken has a serial.
func (e *entries) holds(i int, serial []byte) bool {
	return bytes.Equal(serialAt(e.der[e.table[i]-1:]), serial)
}

// liftable reports whether the entry at a place of the table may be taken back, or takes one back.
func (e *entries) liftable(i int) bool {
	in := cryptobyte.String(e.der[e.table[i]-1:])
	found, err := e.read(&in)
	return err == nil && (found.reason == reasonHold || found.reason == reasonRemove)
}

func (e *entries) slot(serial []byte) int {
	return int(maphash.Bytes(e.seed, serial) & uint64(len(e.table)-1))
}

// find gives the entry of a serial (big-endian, without leading zeros).
func (e *entries) find(serial []byte) (entry, bool) {
	for i := e.slot(serial); e.table[i] != 0; i = (i + 1) & (len(e.table) - 1) {
		if !e.holds(i, serial) {
			continue
		}
		in := cryptobyte.String(e.der[e.table[i]-1:])
		if found, err := e.read(&in); err == nil {
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
		ext, ok := der.ReadExtension(&exts)
		if !ok {
			return errEntry
		}
		switch {
		case bytes.Equal(ext.ID, oidReason):
			if !ext.Value.ReadASN1Enum(&into.reason) {
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

// utcTimeSize is that of a UTCTime YYMMDDhhmmssZ with its tag and length.
const utcTimeSize = 15

// plainUTCTime reads the one form that RFC 5280 allows (section 5.1.2.4), six times as fast as cryptobyte, which judges
// whatever is not plainly it. In a list of a million entries that is most of the work.
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

func trimZeros(b []byte) []byte { return bytes.TrimLeft(b, "\x00") }

var crlReasons = map[int]string{
	1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation",
	6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
}

func (e entry) String() string {
	return fmt.Sprintf("revoked at %s (%s)", stamp.Instant(e.at), reasonWord(e.reason))
}

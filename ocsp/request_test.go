package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	xocsp "golang.org/x/crypto/ocsp"

	"tlagate/internal/der"
)

// asking is an OCSP request in the making. What is nil is left out.
type asking struct {
	version, requestor []byte   // content of [0] and [1]
	ids                [][]byte // certIDs
	single             []byte   // content of singleRequestExtensions' [0], of each
	extensions         []byte   // content of [2]
	signature          []byte   // content of the outer [0]
	tail               []byte   // after everything
}

func (a asking) der() []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			optional(b, der.Context0, a.version)
			optional(b, der.Context1, a.requestor)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, id := range a.ids {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddBytes(id)
						optional(b, der.Context0, a.single)
					})
				}
			})
			optional(b, der.Context2, a.extensions)
		})
		optional(b, der.Context0, a.signature)
	})
	b.AddBytes(a.tail)
	return b.BytesOrPanic()
}

func optional(b *cryptobyte.Builder, tag asn1.Tag, content []byte) {
	if content != nil {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(content) })
	}
}

// tlv makes an element of elements.
func tlv(tag asn1.Tag, content ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(content...)) })
	return b.BytesOrPanic()
}

// extension makes one extension, whose oid is DER; critical is DER's BOOLEAN when true.
func extension(oid []byte, critical bool, value []byte) []byte {
	var flag []byte
	if critical {
		flag = []byte{1, 1, 0xff}
	}
	return tlv(asn1.SEQUENCE, oid, flag, tlv(asn1.OCTET_STRING, value))
}

func nonceExtension(size int) []byte {
	return extension(oidNonce, false, tlv(asn1.OCTET_STRING, bytes.Repeat([]byte{7}, size)))
}

func extensions(list ...[]byte) []byte { return tlv(asn1.SEQUENCE, list...) }

// idOf makes a certID; parameters of the hash algorithm and serial are raw.
func (i *issuer) idOf(hash int, parameters, serial []byte) []byte {
	n := i.names[hash]
	return tlv(asn1.SEQUENCE, tlv(asn1.SEQUENCE, n.oid, parameters),
		tlv(asn1.OCTET_STRING, n.name), tlv(asn1.OCTET_STRING, n.key), tlv(asn1.INTEGER, serial))
}

var null = []byte{5, 0}

func TestRequestIsMalformed(t *testing.T) {
	b := newBed(t)
	r := b.open()
	id := r.issuer.idOf(0, null, []byte{1})
	other := []byte{0x2a, 3}
	with := func(serial []byte) [][]byte { return [][]byte{r.issuer.idOf(0, null, serial)} }
	one := [][]byte{id}
	cases := map[string][]byte{
		"nothing":                         nil,
		"no DER":                          []byte("GET / HTTP/1.1\r\n"),
		"an empty sequence":               {0x30, 0},
		"an indefinite length":            {0x30, 0x80, 0, 0},
		"no request":                      asking{}.der(),
		"version 2":                       asking{version: []byte{2, 1, 1}, ids: one}.der(),
		"version no integer":              asking{version: null, ids: one}.der(),
		"a tail":                          asking{ids: one, tail: []byte{0}}.der(),
		"a signature that is none":        asking{ids: one, signature: null}.der(),
		"an empty list of extensions":     asking{ids: one, extensions: extensions()}.der(),
		"extensions no sequence":          asking{ids: one, extensions: null}.der(),
		"critical extension unknown":      asking{ids: one, extensions: extensions(extension(other, true, null))}.der(),
		"critical single extension":       asking{ids: one, single: extensions(extension(other, true, null))}.der(),
		"nonce of 0 octets":               asking{ids: one, extensions: extensions(nonceExtension(0))}.der(),
		"nonce of 129 octets":             asking{ids: one, extensions: extensions(nonceExtension(129))}.der(),
		"two nonces":                      asking{ids: one, extensions: extensions(nonceExtension(16), nonceExtension(16))}.der(),
		"a short nonce and another":       asking{ids: one, extensions: extensions(nonceExtension(8), nonceExtension(16))}.der(),
		"a nonce without OCTET STRING":    asking{ids: one, extensions: extensions(extension(oidNonce, false, bytes.Repeat([]byte{7}, 16)))}.der(),
		"a nonce with a tail":             asking{ids: one, extensions: extensions(extension(oidNonce, false, append(tlv(asn1.OCTET_STRING, make([]byte, 16)), 0)))}.der(),
		"17 certificates":                 asking{ids: slices.Repeat(one, 17)}.der(),
		"an empty serial number":          asking{ids: with(nil)}.der(),
		"a serial number with a zero":     asking{ids: with([]byte{0, 1})}.der(),
		"a serial number with a sign":     asking{ids: with([]byte{0xff, 0x80})}.der(),
		"a serial number of 22 octets":    asking{ids: with(bytes.Repeat([]byte{1}, 22))}.der(),
		"a hash algorithm without an OID": asking{ids: [][]byte{tlv(asn1.SEQUENCE, tlv(asn1.SEQUENCE, tlv(asn1.OBJECT_IDENTIFIER)), id[13:])}}.der(),
		"a certID with a tail":            asking{ids: [][]byte{tlv(asn1.SEQUENCE, id[2:], null)}}.der(),
	}
	for name, der := range cases {
		t.Run(name, func(t *testing.T) {
			q, a, no := r.respond(der)
			require.Nil(t, q)
			require.Nil(t, a)
			require.Equal(t, refuseMalformed, no)
		})
	}
	whole := asking{version: []byte{2, 1, 0}, ids: one, extensions: extensions(nonceExtension(32)), signature: tlv(asn1.SEQUENCE)}.der()
	_, _, no := r.respond(whole)
	require.Nil(t, no)
	for n := range whole {
		_, _, no := r.respond(whole[:n])
		require.Equal(t, refuseMalformed, no, "the first %d octets", n)
	}
}

func TestRequestIsAnswered(t *testing.T) {
	b := newBed(t)
	r := b.open()
	cert := b.tla("one")
	serial := cert.SerialNumber.Bytes()
	if serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	id := r.issuer.idOf(1, null, serial)
	cases := map[string]asking{
		"plain":                       {ids: [][]byte{id}},
		"parameters left out":         {ids: [][]byte{r.issuer.idOf(1, nil, serial)}},
		"version 1 in words":          {version: []byte{2, 1, 0}, ids: [][]byte{id}},
		"a requestor":                 {requestor: tlv(asn1.Tag(2).ContextSpecific(), []byte("me")), ids: [][]byte{id}},
		"a signature":                 {ids: [][]byte{id}, signature: tlv(asn1.SEQUENCE, []byte("anything"))},
		"an unknown extension":        {ids: [][]byte{id}, extensions: extensions(extension([]byte{6, 2, 0x2a, 3}, false, null)), single: extensions(extension([]byte{6, 2, 0x2a, 3}, false, null))},
		"acceptable answers":          {ids: [][]byte{id}, extensions: extensions(extension(oidResponses, true, tlv(asn1.SEQUENCE, der.OID(der.OCSPBasic))))},
		"nonce of 1 octet":            {ids: [][]byte{id}, extensions: extensions(nonceExtension(1))},
		"nonce of 15 octets":          {ids: [][]byte{id}, extensions: extensions(nonceExtension(15))},
		"nonce of 16 octets":          {ids: [][]byte{id}, extensions: extensions(nonceExtension(16))},
		"nonce of 128 octets":         {ids: [][]byte{id}, extensions: extensions(nonceExtension(128))},
		"nonce and something unknown": {ids: [][]byte{id}, extensions: extensions(extension([]byte{6, 2, 0x2a, 3}, false, null), nonceExtension(32))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			q, a, no := r.respond(c.der())
			require.Nil(t, no)
			require.Equal(t, xocsp.Good, b.parse(a.der, cert).Status)
			require.Contains(t, string(a.der), string(c.ids[0]), "the certID comes back as it was asked")
			if q.nonce != nil {
				require.Contains(t, string(a.der), string(nonceExtension(len(q.nonce))))
			} else {
				require.NotContains(t, string(a.der), string(oidNonce), "nothing to be echoed")
			}
		})
	}
}

// TestC2SeveralCertificates are answered in one, each by itself.
func TestC2SeveralCertificates(t *testing.T) {
	b := newBed(t)
	r := b.open()
	fine, stolen := b.tla("fine"), b.tla("stolen")
	b.revoke(stolen, 1)
	require.NoError(t, r.Look())
	var ids [][]byte
	for _, cert := range []*x509.Certificate{fine, stolen, {SerialNumber: big.NewInt(4711)}} {
		q, err := parseRequest(b.ask(cert, crypto.SHA256), 1)
		require.NoError(t, err)
		ids = append(ids, q.ids[0].Raw)
	}
	_, a, no := r.respond(asking{ids: ids}.der())
	require.Nil(t, no)
	require.Equal(t, xocsp.Good, b.parse(a.der, fine).Status)
	require.Equal(t, xocsp.Revoked, b.parse(a.der, stolen).Status)
	require.Equal(t, xocsp.Unknown, b.parse(a.der, &x509.Certificate{SerialNumber: big.NewInt(4711)}).Status)
	require.Equal(t, passingValidity, a.nextUpdate.Sub(a.thisUpdate), "caches keep it as long as its first part to end")

	foreign := bytes.Replace(ids[1], r.issuer.names[1].key, make([]byte, 32), 1)
	_, _, no = r.respond(asking{ids: [][]byte{ids[0], foreign}}.der())
	require.Equal(t, refuseForeign, no, "one foreign certificate: no answer")
}

// TestC2ForeignIssuer: name and key must both be ours, by the same of four hashes.
func TestC2ForeignIssuer(t *testing.T) {
	b := newBed(t)
	r := b.open()
	for i, n := range r.issuer.names {
		id := r.issuer.idOf(i, null, []byte{1})
		_, _, no := r.respond(asking{ids: [][]byte{id}}.der())
		require.Nil(t, no)
		next := r.issuer.names[(i+1)%4]
		for what, change := range map[string][2][]byte{
			"name":              {n.name, make([]byte, len(n.name))},
			"key":               {n.key, make([]byte, len(n.key))},
			"algorithm unknown": {n.oid[2:], bytes.Repeat([]byte{1}, len(n.oid)-2)},
			"another's hashes":  {append(tlv(asn1.OCTET_STRING, n.name), tlv(asn1.OCTET_STRING, n.key)...), append(tlv(asn1.OCTET_STRING, next.name), tlv(asn1.OCTET_STRING, next.key)...)},
			"parameters":        {null, tlv(asn1.OCTET_STRING)},
		} {
			in := cryptobyte.String(id)
			var content cryptobyte.String
			require.True(t, in.ReadASN1(&content, asn1.SEQUENCE))
			changed := tlv(asn1.SEQUENCE, bytes.Replace(content, change[0], change[1], 1))
			_, _, no := r.respond(asking{ids: [][]byte{changed}}.der())
			require.Equal(t, refuseForeign, no, "%s, hash %d", what, i)
		}
	}
	root := r.issuer.idOf(0, null, []byte{1})
	rootIssuer, err := newIssuer(b.ca.Root)
	require.NoError(t, err)
	require.NotEqual(t, root, rootIssuer.idOf(0, null, []byte{1}))
	_, _, no := r.respond(asking{ids: [][]byte{rootIssuer.idOf(0, null, []byte{1})}}.der())
	require.Equal(t, refuseForeign, no, "the root's certificates are on its ARL")
}

// FuzzRespond: whatever comes in, an OCSP answer goes out, signed only for what was asked.
func FuzzRespond(f *testing.F) {
	b := newBed(f)
	b.cfg.Patience = 24 * time.Hour // nothing looks at the books here
	r := b.open()
	cert := b.tla("one")
	id := r.issuer.idOf(2, null, []byte{1})
	f.Add(b.ask(cert, crypto.SHA1))
	f.Add(asking{ids: [][]byte{id, id}, extensions: extensions(nonceExtension(32))}.der())
	f.Add(asking{version: []byte{2, 1, 0}, requestor: []byte{1, 2}, ids: [][]byte{id}, single: extensions(extension(oidResponses, false, null)), signature: tlv(asn1.SEQUENCE)}.der())
	f.Fuzz(func(t *testing.T, der []byte) {
		q, a, no := r.respond(der)
		if no != nil {
			_, err := xocsp.ParseResponse(no.der, nil)
			require.IsType(t, xocsp.ResponseError{}, err)
			return
		}
		for _, asked := range q.ids {
			serial := new(big.Int).SetBytes(asked.Serial)
			if asked.Serial[0]&0x80 != 0 {
				serial.Sub(serial, new(big.Int).Lsh(big.NewInt(1), uint(8*len(asked.Serial))))
			}
			(&bed{t: t, ca: b.ca}).parse(a.der, &x509.Certificate{SerialNumber: serial})
			require.True(t, bytes.Contains(der, asked.Raw))
		}
		require.True(t, q.nonce == nil || bytes.Contains(a.der, q.nonce))
	})
}

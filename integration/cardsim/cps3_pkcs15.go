package cardsim

import (
	"crypto"
	"crypto/x509"
)

// Files of the PKCS#15 application (ISO/IEC 7816-15). Those of the first two are of the standard; for the rest, only
// what the first names counts.
const (
	fidObjects   = 0x5031
	fidToken     = 0x5032
	fidKeyList   = 0x7001
	fidCertList  = 0x7004
	fidPINList   = 0x7005
	fidCertSign  = 0x7101
	fidCertLogin = 0x7102
)

// personalise makes keys, certificates and files.
func (c *CPS3) personalise(cfg CPSConfig) error {
	key := cfg.Key
	if key == nil {
		var err error
		if key, err = theRSAKey(); err != nil {
			return err
		}
	}
	ca, err := newIssuer(cfg.Serial)
	if err != nil {
		return err
	}
	c.issuer = ca.cert
	signs, err := ca.issue("SPECIMEN "+cfg.Serial+" signature", KeyCPSSignature, x509.KeyUsageContentCommitment,
		key.Public())
	if err != nil {
		return err
	}
	certify := cfg.Certify
	if certify == nil {
		certify = func(key crypto.PublicKey) (*x509.Certificate, error) {
			return ca.issue("SPECIMEN "+cfg.Serial+" authentication", KeyCPSAuthentication,
				x509.KeyUsageDigitalSignature, key)
		}
	}
	login, err := certify(key.Public())
	if err != nil {
		return err
	}
	c.keys = map[byte]*iasKey{
		KeyCPSSignature:      {key, signs, map[byte]bool{crtSignature: true}},
		KeyCPSAuthentication: {key, login, map[byte]bool{crtAuthentication: true, crtDecipher: true}},
	}
	c.root, c.app = rootOf(cfg.Serial), appOf(cfg.Serial, signs, login)
	return nil
}

// rootOf returns the master file: EF.DIR, EF.ATR and the serial number. That EF.ATR begins with an octet 80 is as it
// is on real cards.
func rootOf(serial string) *folder {
	const name = "CPS fictive"
	dir := tlv(0x61, tlv(0x4F, unhex(AIDCPS)), tlv(0x50, []byte(name)), tlv(0x51, path()))
	about := []byte{0x80}
	for _, part := range [][]byte{
		tlv(0x43, []byte{0xB8}), tlv(0x46, unhex("04000001")), tlv(0x47, unhex("940180")),
		tlv(0x4F, unhex(AIDCPSRoot)), tlv(0xE0, unhex("02020104020201040202010002020100")),
		tlv(0x78, tlv(0x06, unhex("2B8122F87802"))), tlv(0x82, unhex("9000")),
	} {
		about = append(about, part...)
	}
	number := unhex("8025000001" + (serial + "0000000000")[:10])
	return &folder{fid: fidRoot, aid: unhex(AIDCPSRoot), files: []*file{
		{0x2F00, 0x1E, dir}, {0x2F01, 0x1D, about}, {0xD003, 0x1C, tlv(0x5A, number)},
	}}
}

// appOf returns the PKCS#15 application.
func appOf(serial string, signs, login *x509.Certificate) *folder {
	var objects []byte
	for _, list := range []struct {
		tag uint32
		fid uint16
	}{{0xA0, fidKeyList}, {0xA4, fidCertList}, {0xA8, fidPINList}} {
		objects = append(objects, tlv(list.tag, seq(tlv(0x04, path(list.fid))))...)
	}
	keys := append(privateKey("CPS_PRIV_SIG", 1, unhex("060040"), KeyCPSSignature), // nonRepudiation
		privateKey("CPS_PRIV_AUT", 2, unhex("0560"), KeyCPSAuthentication)...) // decrypt, sign
	certs := append(certEntry("CPS_CERT_SIG", 1, fidCertSign), certEntry("CPS_CERT_AUT", 2, fidCertLogin)...)
	return &folder{fid: fidCPS, aid: unhex(AIDCPS), files: []*file{
		{fidObjects, 0, objects}, {fidToken, 0, tokenInfo(serial)},
		{fidKeyList, 0, keys}, {fidCertList, 0, certs}, {fidPINList, 0, pinEntry()},
		{fidCertSign, 0, signs.Raw}, {fidCertLogin, 0, login.Raw},
	}}
}

func seq(parts ...[]byte) []byte { return tlv(0x30, parts...) }

// path returns the path to a file of the application, or without one to itself.
func path(fid ...uint16) []byte {
	p := append(fidBytes(fidRoot), fidBytes(fidCPS)...)
	for _, f := range fid {
		p = append(p, fidBytes(f)...)
	}
	return p
}

// objectID returns the identifier that a key and its certificate share.
func objectID(number byte) []byte { return tlv(0x04, append(unhex(AIDCPS), number)) }

func privateKey(label string, number byte, usage []byte, ref byte) []byte {
	const thePIN = 1
	return seq(
		seq(tlv(0x0C, []byte(label)), tlv(0x03, unhex("0780")), tlv(0x04, []byte{thePIN})),
		seq(objectID(number), tlv(0x03, usage), tlv(0x03, unhex("03B8")), tlv(0x02, []byte{0, ref})),
		tlv(0xA1, seq(seq(tlv(0x04, path())), tlv(0x02, unhex("0800")))))
}

func certEntry(label string, number byte, fid uint16) []byte {
	return seq(seq(tlv(0x0C, []byte(label))), seq(objectID(number)),
		tlv(0xA1, seq(seq(tlv(0x04, path(fid))))))
}

// pinEntry describes the PIN: digits, four to eight, padded to eight octets with FF.
func pinEntry() []byte {
	const asciiDigits, reference, authID = 1, 1, 1
	return seq(
		seq(tlv(0x0C, []byte("Code porteur")), tlv(0x03, unhex("0780"))),
		seq(tlv(0x04, []byte{authID})),
		tlv(0xA1, seq(tlv(0x03, unhex("020C")), tlv(0x0A, []byte{asciiDigits}), tlv(0x02, []byte{4}),
			tlv(0x02, []byte{secretSize}), tlv(0x02, []byte{secretSize}), tlv(0x80, []byte{reference}),
			tlv(0x04, []byte{0xFF}))))
}

// tokenInfo lists the algorithms, by the numbers of PKCS#11 and of the card.
func tokenInfo(serial string) []byte {
	var list []byte
	for i, a := range []struct {
		mechanism  []byte
		operations string // a BIT STRING
		ref        byte
	}{
		{[]byte{0x02, 0x50}, "0102", algSHA256},  // hash
		{[]byte{0x40}, "0640", algRSAPKCSSHA256}, // compute-signature
		{[]byte{0x01}, "0640", algRSAPKCS},       // compute-signature
		{[]byte{0x01}, "0104", algRSADecipher},   // decipher
	} {
		list = append(list, seq(tlv(0x02, []byte{byte(i + 1)}), tlv(0x02, a.mechanism), tlv(0x05),
			tlv(0x03, unhex(a.operations)), tlv(0x06, unhex("2A864886F70D010101")), tlv(0x02, []byte{a.ref}))...)
	}
	return seq(tlv(0x02, []byte{0}), tlv(0x04, []byte(serial)), tlv(0x0C, []byte("tlagate cardsim")),
		tlv(0x80, []byte("CPS fictive")), tlv(0x03, unhex("0520")), tlv(0xA2, list))
}

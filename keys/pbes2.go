package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
)

// PKCS#8 EncryptedPrivateKeyInfo (RFC 5958, 3) with PBES2 (RFC 8018, 6.2 and A.4): PBKDF2 with HMAC-SHA-256 and
// AES-256 in CBC mode. Nothing else is written or read.
var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

const (
	saltSize = 16
	// rounds of PBKDF2. The wrapping key should be random; the rounds protect one that is a password.
	rounds               = 100_000
	minRounds, maxRounds = 1000, 1_000_000 // rounds accepted
	minSalt, maxSalt     = 8, 128          // octets of salt accepted
	keySize              = 32
)

// sealing has the parameters of an encrypted key.
type sealing struct {
	salt   []byte
	rounds int
	iv     []byte
}

// encrypt returns EncryptedPrivateKeyInfo.
func encrypt(plain, wrapping []byte) ([]byte, error) {
	s := sealing{salt: make([]byte, saltSize), rounds: rounds, iv: make([]byte, aes.BlockSize)}
	rand.Read(s.salt)
	rand.Read(s.iv)
	block, err := s.cipher(wrapping)
	if err != nil {
		return nil, err
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	data := make([]byte, len(plain)+padding)
	for i := copy(data, plain); i < len(data); i++ {
		data[i] = byte(padding)
	}
	cipher.NewCBCEncrypter(block, s.iv).CryptBlocks(data, data)
	return s.marshal(data)
}

var errWrongWrapping = errors.New("the wrapping key does not open it: is it the one under which it was encrypted?")

// decrypt returns what was encrypted. The caller wipes it.
func decrypt(der, wrapping []byte) ([]byte, error) {
	s, data, err := parseSealing(der)
	if err != nil {
		return nil, err
	}
	block, err := s.cipher(wrapping)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCDecrypter(block, s.iv).CryptBlocks(data, data)
	plain, ok := unpad(data)
	if !ok {
		wipe(data)
		return nil, errWrongWrapping
	}
	return plain, nil
}

// cipher derives the key.
func (s sealing) cipher(wrapping []byte) (cipher.Block, error) {
	// Not string(wrapping): that copy could not be wiped. Key does not keep it, and wrapping does not change meanwhile.
	key, err := pbkdf2.Key(sha256.New, unsafe.String(unsafe.SliceData(wrapping), len(wrapping)),
		s.salt, s.rounds, keySize)
	if err != nil {
		return nil, fmt.Errorf("cannot derive the encryption key: %w", err)
	}
	defer wipe(key)
	return aes.NewCipher(key)
}

// unpad removes PKCS#7's padding, and reports whether it was valid.
func unpad(data []byte) ([]byte, bool) {
	n := int(data[len(data)-1])
	if n == 0 || n > aes.BlockSize {
		return nil, false
	}
	for _, b := range data[len(data)-n:] {
		if int(b) != n {
			return nil, false
		}
	}
	return data[:len(data)-n], true
}

func (s sealing) marshal(data []byte) ([]byte, error) {
	var b cryptobyte.Builder
	sequence(&b, func(b *cryptobyte.Builder) { // EncryptedPrivateKeyInfo
		sequence(b, func(b *cryptobyte.Builder) { // encryptionAlgorithm
			b.AddASN1ObjectIdentifier(oidPBES2)
			sequence(b, func(b *cryptobyte.Builder) { // PBES2-params
				sequence(b, s.addDerivation)
				sequence(b, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidAES256CBC)
					b.AddASN1OctetString(s.iv)
				})
			})
		})
		b.AddASN1OctetString(data)
	})
	return b.Bytes()
}

func (s sealing) addDerivation(b *cryptobyte.Builder) {
	b.AddASN1ObjectIdentifier(oidPBKDF2)
	sequence(b, func(b *cryptobyte.Builder) { // PBKDF2-params
		b.AddASN1OctetString(s.salt)
		b.AddASN1Int64(int64(s.rounds))
		sequence(b, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidHMACSHA256)
			b.AddASN1NULL()
		})
	})
}

func sequence(b *cryptobyte.Builder, f func(*cryptobyte.Builder)) { b.AddASN1(tag.SEQUENCE, f) }

var errNotSealing = errors.New("it is not a PKCS#8 EncryptedPrivateKeyInfo")

// parseSealing reads EncryptedPrivateKeyInfo strictly. The data is a copy.
func parseSealing(raw []byte) (s sealing, data []byte, err error) {
	var algorithm, params, octets cryptobyte.String
	outer, ok := der.Sequence(raw)
	if !ok || !outer.ReadASN1(&algorithm, tag.SEQUENCE) ||
		!outer.ReadASN1(&octets, tag.OCTET_STRING) || !outer.Empty() {
		return s, nil, errNotSealing
	}
	if err := readAlgorithm(&algorithm, oidPBES2, "PBES2"); err != nil {
		return s, nil, err
	}
	if !algorithm.ReadASN1(&params, tag.SEQUENCE) || !algorithm.Empty() {
		return s, nil, errNotSealing
	}
	if err := s.readParams(params); err != nil {
		return s, nil, err
	}
	if len(octets) == 0 || len(octets)%aes.BlockSize != 0 {
		return s, nil, errors.New("its encrypted part is not whole blocks of AES: it is damaged")
	}
	return s, append([]byte(nil), octets...), nil
}

func (s *sealing) readParams(params cryptobyte.String) error {
	var derivation, scheme, iv cryptobyte.String
	if !params.ReadASN1(&derivation, tag.SEQUENCE) || !params.ReadASN1(&scheme, tag.SEQUENCE) || !params.Empty() {
		return errNotSealing
	}
	if err := s.readDerivation(derivation); err != nil {
		return err
	}
	if err := readAlgorithm(&scheme, oidAES256CBC, "AES-256-CBC"); err != nil {
		return err
	}
	if !scheme.ReadASN1(&iv, tag.OCTET_STRING) || !scheme.Empty() || len(iv) != aes.BlockSize {
		return errNotSealing
	}
	s.iv = iv
	return nil
}

func (s *sealing) readDerivation(in cryptobyte.String) error {
	var params, salt, prf, null cryptobyte.String
	if err := readAlgorithm(&in, oidPBKDF2, "PBKDF2"); err != nil {
		return err
	}
	if !in.ReadASN1(&params, tag.SEQUENCE) || !in.Empty() || !params.ReadASN1(&salt, tag.OCTET_STRING) ||
		!params.ReadASN1Integer(&s.rounds) {
		return errNotSealing
	}
	if length := keySize; params.PeekASN1Tag(tag.INTEGER) && (!params.ReadASN1Integer(&length) || length != keySize) {
		return errNotSealing
	}
	if !params.ReadASN1(&prf, tag.SEQUENCE) || !params.Empty() { // absent means HMAC-SHA-1
		return errAlgorithm("PBKDF2 with HMAC-SHA-256")
	}
	if err := readAlgorithm(&prf, oidHMACSHA256, "PBKDF2 with HMAC-SHA-256"); err != nil {
		return err
	}
	if !prf.Empty() && (!prf.ReadASN1(&null, tag.NULL) || !null.Empty() || !prf.Empty()) {
		return errNotSealing
	}
	if s.rounds < minRounds || s.rounds > maxRounds || len(salt) < minSalt || len(salt) > maxSalt {
		return fmt.Errorf("its PBKDF2 has %d rounds and %d octets of salt: want %d to %d, and %d to %d",
			s.rounds, len(salt), minRounds, maxRounds, minSalt, maxSalt)
	}
	s.salt = salt
	return nil
}

// readAlgorithm reads the object identifier at the beginning of an AlgorithmIdentifier, and requires it to be want.
func readAlgorithm(in *cryptobyte.String, want asn1.ObjectIdentifier, name string) error {
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1ObjectIdentifier(&oid) {
		return errNotSealing
	}
	if !oid.Equal(want) {
		return errAlgorithm(name)
	}
	return nil
}

func errAlgorithm(want string) error {
	return fmt.Errorf("it is not encrypted with %s, which alone is read here: openssl pkcs8 -topk8 -v2 aes-256-cbc "+
		"-v2prf hmacWithSHA256 converts it", want)
}

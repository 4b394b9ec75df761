package keys

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/der"
	"tlagate/pemfile"
)

// A TPM's key is written by the TSS's "ASN.1 Specification for TPM 2.0 Key Files", so that tpm2-openssl reads it:
//
//	TPMKey ::= SEQUENCE {
//	  type       OBJECT IDENTIFIER,              -- id-loadablekey
//	  emptyAuth  [0] EXPLICIT BOOLEAN OPTIONAL,  -- TRUE: it needs no password
//	  policy     [1] EXPLICIT … OPTIONAL, secret [2] …, authPolicy [3] …, description [4] …   -- refused
//	  parent     INTEGER,                        -- TPM_RH_OWNER: a primary key of the standard template;
//	                                             -- or a persistent handle
//	  pubkey     OCTET STRING,                   -- TPM2B_PUBLIC
//	  privkey    OCTET STRING }                  -- TPM2B_PRIVATE: encrypted by the TPM
const blobBlock = "TSS2 PRIVATE KEY"

var oidLoadableKey = asn1.ObjectIdentifier{2, 23, 133, 10, 1, 3}

// blob is a key that only one TPM can load.
type blob struct {
	parent  tpm2.TPMHandle
	public  tpm2.TPM2BPublic
	private tpm2.TPM2BPrivate
	key     *ecdsa.PublicKey
}

func (b *blob) marshal() ([]byte, error) {
	var out cryptobyte.Builder
	sequence(&out, func(o *cryptobyte.Builder) {
		o.AddASN1ObjectIdentifier(oidLoadableKey)
		o.AddASN1(der.Context0, func(o *cryptobyte.Builder) { o.AddASN1Boolean(true) })
		o.AddASN1Uint64(uint64(b.parent))
		o.AddASN1OctetString(tpm2.Marshal(b.public))
		o.AddASN1OctetString(tpm2.Marshal(b.private))
	})
	raw, err := out.Bytes()
	return pem.EncodeToMemory(&pem.Block{Type: blobBlock, Bytes: raw}), err
}

var errNotBlob = errors.New("it is not a TSS2 PRIVATE KEY of a loadable key without password and policy")

// parseBlob reads a key file strictly.
func parseBlob(raw []byte) (*blob, error) {
	one, err := pemfile.One(raw, blobBlock)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotBlob, err)
	}
	body, ok := der.Sequence(one)
	if !ok {
		return nil, errNotBlob
	}
	return readBlob(body)
}

func readBlob(body cryptobyte.String) (*blob, error) {
	var oid asn1.ObjectIdentifier
	var auth, public, private cryptobyte.String
	var empty, hasAuth bool
	var parent uint32
	b := new(blob)
	if !body.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidLoadableKey) ||
		!body.ReadOptionalASN1(&auth, &hasAuth, der.Context0) || !hasAuth ||
		!auth.ReadASN1Boolean(&empty) || !empty || !auth.Empty() ||
		!body.ReadASN1Integer(&parent) || !body.ReadASN1(&public, tag.OCTET_STRING) ||
		!body.ReadASN1(&private, tag.OCTET_STRING) || !body.Empty() {
		return nil, errNotBlob
	}
	b.parent = tpm2.TPMHandle(parent)
	pub, err := tpm2.Unmarshal[tpm2.TPM2BPublic](public)
	if err != nil {
		return nil, errNotBlob
	}
	priv, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](private)
	if err != nil {
		return nil, errNotBlob
	}
	b.public, b.private = *pub, *priv
	b.key, err = publicOf(b.public)
	return b, err
}

var tpmCurves = map[string]tpm2.TPMECCCurve{"p256": tpm2.TPMECCNistP256, "p384": tpm2.TPMECCNistP384}

// publicOf returns the public key of a signing key on P-256 or P-384.
func publicOf(public tpm2.TPM2BPublic) (*ecdsa.PublicKey, error) {
	contents, err := public.Contents()
	if err != nil || contents.Type != tpm2.TPMAlgECC || !contents.ObjectAttributes.SignEncrypt {
		return nil, errors.New("it is not an elliptic curve key for signing")
	}
	params, err := contents.Parameters.ECCDetail()
	if err != nil {
		return nil, errNotBlob
	}
	point, err := contents.Unique.ECC()
	if err != nil {
		return nil, errNotBlob
	}
	for kind, curve := range tpmCurves {
		if curve == params.CurveID {
			return pointOf(kind, point)
		}
	}
	return nil, errors.New("its curve is neither P-256 nor P-384")
}

func pointOf(kind string, point *tpm2.TPMSECCPoint) (*ecdsa.PublicKey, error) {
	curve := Curves[kind]
	size := curve.Params().BitSize / 8
	if len(point.X.Buffer) > size || len(point.Y.Buffer) > size {
		return nil, errNotBlob
	}
	octets := make([]byte, 1+2*size)
	octets[0] = 4 // uncompressed; a TPM may leave leading zeros out
	copy(octets[1+size-len(point.X.Buffer):], point.X.Buffer)
	copy(octets[1+2*size-len(point.Y.Buffer):], point.Y.Buffer)
	return ecdsa.ParseUncompressedPublicKey(curve, octets)
}

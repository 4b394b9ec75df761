package keys

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"strings"
	"sync"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"golang.org/x/crypto/cryptobyte"
)

// tpmDevice is the resource manager of Linux, through which any number of programs may use the TPM.
const tpmDevice = "/dev/tpmrm0"

// tpmPlace is a key in the TPM of this machine.
type tpmLocation struct {
	file   string // of the blob
	device string // "" = the system's
}

func newTPMLocation(s Spec) (location, error) {
	file, query := s.tpmParts()
	if file == "" {
		return nil, errors.New("cannot use a key in the TPM: want tpm:FILE")
	}
	p := tpmLocation{file: file}
	if query != "" {
		device, ok := strings.CutPrefix(query, "?device=")
		if !ok || device == "" || strings.Contains(device, "&") {
			return nil, errors.New("cannot use a key in the TPM: all that may follow its file is ?device=DEVICE")
		}
		p.device = device
	}
	return p, nil
}

// tpmParts returns the file, and what follows it from the question mark on.
func (s Spec) tpmParts() (file, query string) {
	rest := strings.TrimPrefix(string(s), "tpm:")
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

func (p tpmLocation) String() string { return "tpm:" + p.file }

func (p tpmLocation) read() (*blob, error) {
	raw, err := readPrivate(p.file, 0)
	if err != nil {
		return nil, err
	}
	return parseBlob(raw)
}

func (p tpmLocation) describe(kind string) Description {
	return Description{Where: p.String(), Kind: kind, Protection: TPM}
}

func (p tpmLocation) inspect() (Description, error) {
	b, err := p.read()
	if err != nil {
		return p.describe(""), err
	}
	return p.describe(kindOf(b.key)), nil
}

// erase destroys the blob. A copy of it works in this TPM alone.
func (p tpmLocation) erase() (Description, error) {
	about, err := p.inspect()
	if errors.Is(err, fs.ErrNotExist) {
		return about, err
	}
	return about, destroyFile(p.file)
}

func (p tpmLocation) open() (Key, error) {
	b, err := p.read()
	if err != nil {
		return nil, err
	}
	k := &tpmKey{at: p, blob: b}
	if err := k.load(); err != nil {
		return nil, err
	}
	return k, nil
}

func (p tpmLocation) generate(kind string) (Key, error) {
	if _, err := os.Lstat(p.file); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrExists, fs.ErrExist)
	}
	curve, ok := tpmCurves[kind]
	if !ok {
		return nil, fmt.Errorf("a TPM makes no key of kind %q here: want p256 or p384", kind)
	}
	b, err := p.create(curve)
	if err != nil {
		return nil, err
	}
	text, err := b.marshal()
	if err != nil {
		return nil, err
	}
	if err := writeNew(p.file, text); err != nil {
		return nil, err
	}
	return p.open()
}

// create has the TPM make a key under its storage root key.
func (p tpmLocation) create(curve tpm2.TPMECCCurve) (*blob, error) {
	device, err := openTPM(p.device)
	if err != nil {
		return nil, err
	}
	defer device.Close()
	parent, flush, err := parentOf(device, tpm2.TPMRHOwner)
	if err != nil {
		return nil, err
	}
	defer flush()
	made, err := tpm2.Create{ParentHandle: parent, InPublic: tpm2.New2B(signingKey(curve))}.Execute(device)
	if err != nil {
		return nil, fmt.Errorf("the TPM does not make it (does it have that curve?): %w", err)
	}
	b := &blob{parent: tpm2.TPMRHOwner, public: made.OutPublic, private: made.OutPrivate}
	b.key, err = publicOf(b.public)
	return b, err
}

// signingKey returns the template of our keys: for signing only, and bound to this TPM and parent for ever. Failed
// tries cannot lock it, since it has no password.
func signingKey(curve tpm2.TPMECCCurve) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{
			FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true,
			SignEncrypt: true,
		},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: curve}),
		Unique:     tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{}),
	}
}

// storageKey returns the template of the primary key that key files with parent TPM_RH_OWNER mean: the TCG's template
// H-2, with an empty point where go-tpm's storage root key has zeros.
func storageKey() tpm2.TPMTPublic {
	t := tpm2.ECCSRKTemplate
	t.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{})
	return t
}

// parentOf returns the parent of a key, and a function that takes it out of the TPM again.
func parentOf(device transport.TPM, handle tpm2.TPMHandle) (parent tpm2.AuthHandle, flush func(), err error) {
	if handle != tpm2.TPMRHOwner {
		known, err := tpm2.ReadPublic{ObjectHandle: handle}.Execute(device)
		if err != nil {
			return parent, nil, fmt.Errorf("its parent key is not in this TPM: %w", err)
		}
		return tpm2.AuthHandle{Handle: handle, Name: known.Name, Auth: tpm2.PasswordAuth(nil)}, func() {}, nil
	}
	made, err := tpm2.CreatePrimary{PrimaryHandle: handle, InPublic: tpm2.New2B(storageKey())}.Execute(device)
	if err != nil {
		return parent, nil, fmt.Errorf("the TPM does not give its storage root key: %w", err)
	}
	parent = tpm2.AuthHandle{Handle: made.ObjectHandle, Name: made.Name, Auth: tpm2.PasswordAuth(nil)}
	return parent, func() { _, _ = tpm2.FlushContext{FlushHandle: made.ObjectHandle}.Execute(device) }, nil
}

// tpmKey is a key that is loaded in the TPM.
type tpmKey struct {
	at   tpmLocation
	blob *blob

	mu     sync.Mutex // one command at a time; protects the rest
	device transport.TPMCloser
	loaded tpm2.AuthHandle
	closed bool
}

func (k *tpmKey) Describe() Description    { return k.at.describe(kindOf(k.blob.key)) }
func (k *tpmKey) Public() crypto.PublicKey { return k.blob.key }

// load puts the key into the TPM. The caller holds k.mu, or has not shared k yet.
func (k *tpmKey) load() error {
	device, err := openTPM(k.at.device)
	if err != nil {
		return err
	}
	parent, flush, err := parentOf(device, k.blob.parent)
	if err != nil {
		return errors.Join(err, device.Close())
	}
	defer flush()
	key, err := tpm2.Load{ParentHandle: parent, InPrivate: k.blob.private, InPublic: k.blob.public}.Execute(device)
	if err != nil {
		return errors.Join(fmt.Errorf("this TPM does not load it (was it made in another one, or has the TPM been "+
			"cleared?): %w", err), device.Close())
	}
	k.device, k.loaded = device, tpm2.AuthHandle{Handle: key.ObjectHandle, Name: key.Name, Auth: tpm2.PasswordAuth(nil)}
	return nil
}

// unload undoes load. The caller holds k.mu.
func (k *tpmKey) unload() error {
	if k.device == nil {
		return nil
	}
	_, _ = tpm2.FlushContext{FlushHandle: k.loaded.Handle}.Execute(k.device)
	err := k.device.Close()
	k.device = nil
	return err
}

// Close takes the key out of the TPM.
func (k *tpmKey) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	return k.unload()
}

// Sign returns an ECDSA signature in ASN.1. A TPM forgets its keys when the machine sleeps or its service restarts:
// then Sign loads the key again.
func (k *tpmKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	scheme, err := schemeFor(digest, opts)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, errors.New("cannot sign with the TPM: the key is closed")
	}
	signature, err := k.sign(digest, scheme)
	if err != nil {
		_ = k.unload()
		if err = k.load(); err == nil {
			signature, err = k.sign(digest, scheme)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot sign with the TPM: %w", err)
	}
	return signature, nil
}

var tpmHashes = map[crypto.Hash]tpm2.TPMAlgID{
	crypto.SHA256: tpm2.TPMAlgSHA256, crypto.SHA384: tpm2.TPMAlgSHA384, crypto.SHA512: tpm2.TPMAlgSHA512,
}

func schemeFor(digest []byte, opts crypto.SignerOpts) (tpm2.TPMTSigScheme, error) {
	hash, ok := tpmHashes[opts.HashFunc()]
	if !ok || len(digest) != opts.HashFunc().Size() {
		return tpm2.TPMTSigScheme{}, fmt.Errorf("cannot sign with the TPM: a digest of %d octets made with %s",
			len(digest), opts.HashFunc())
	}
	return tpm2.TPMTSigScheme{
		Scheme:  tpm2.TPMAlgECDSA,
		Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSchemeHash{HashAlg: hash}),
	}, nil
}

func (k *tpmKey) sign(digest []byte, scheme tpm2.TPMTSigScheme) ([]byte, error) {
	if k.device == nil {
		return nil, errors.New("the key is not loaded")
	}
	made, err := tpm2.Sign{
		KeyHandle: k.loaded, Digest: tpm2.TPM2BDigest{Buffer: digest}, InScheme: scheme,
		Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
	}.Execute(k.device)
	if err != nil {
		return nil, err
	}
	parts, err := made.Signature.Signature.ECDSA()
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	sequence(&b, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(parts.SignatureR.Buffer))
		b.AddASN1BigInt(new(big.Int).SetBytes(parts.SignatureS.Buffer))
	})
	return b.Bytes()
}

// Device returns the device file of a key in a TPM; "" for other keys, and for an emulated TPM.
func (s Spec) Device() string {
	if !s.isTPM() {
		return ""
	}
	p, err := newTPMLocation(s)
	if err != nil {
		return ""
	}
	if device := cmp.Or(p.(tpmLocation).device, tpmDevice); !strings.HasPrefix(device, "unix:") {
		return device
	}
	return ""
}

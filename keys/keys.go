package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Spec says where a private key is: a file name, "pkcs11:…" or "tpm:FILE[?device=DEVICE]".
type Spec string

// Config is what it takes to use keys, besides the Spec. The zero value opens plain files, and keys that need no PIN.
type Config struct {
	// WrappingKey names the secret under which key files are encrypted: a file (mode 0600), or "credential:NAME" for a
	// credential that systemd has loaded. "" = key files are not encrypted. With it, a plain key file is refused.
	WrappingKey string

	// PIN asks a person for a token's PIN, when its URI has no pin-source; what it returns is wiped. nil = nobody can
	// be asked.
	PIN func(token string) ([]byte, error)

	// Event is called after a key was loaded, generated or erased; it must not block. nil = not called.
	Event func(Event)

	// Credentials is the directory of systemd's credentials; "" = $CREDENTIALS_DIRECTORY.
	Credentials string

	// CredentialStores is where Erase looks for an encrypted credential; nil = systemd's own directories.
	CredentialStores []string
}

// Key is an open private key. Several goroutines may call Sign at once. Close ends its use and destroys nothing.
type Key interface {
	crypto.Signer
	Describe() Description
	Close() error
}

// Protection is how a private key is protected from being read.
type Protection string

// The protections.
const (
	PlainFile     Protection = "file"           // reading the disk is enough to have it
	EncryptedFile Protection = "encrypted file" // it takes the wrapping key, too
	PKCS11        Protection = "pkcs11"         // in a token or HSM
	TPM           Protection = "tpm"            // in the machine's TPM
)

// Hidden reports whether reading the disk is not enough to have the key.
func (p Protection) Hidden() bool { return p == EncryptedFile || p == PKCS11 || p == TPM }

// Description is what may be told of a key: it contains no secret.
type Description struct {
	Where      string     `json:"where"`
	Kind       string     `json:"kind,omitempty"` // p256, p384, rsa3072 …; "" = unknown without opening it
	Protection Protection `json:"protection"`
	Exportable bool       `json:"exportable"` // the program that opens it could copy it
}

// Action is what happened to a key.
type Action string

// The actions, as the audit trail names them (EL1).
const (
	Loaded         Action = "key.loaded"
	Generated      Action = "key.generated"
	Erased         Action = "key.erased"
	WrappingErased Action = "wrapping_key.erased"
	WrappingAbsent Action = "wrapping_key.absent" // Erase did not find it: a person must destroy it
)

// Event is something that happened to a key.
type Event struct {
	Action Action
	Key    Description
	Where  string // of a wrapping key: its file or credential
}

func (c Config) tell(action Action, key Description, where string) {
	if c.Event != nil {
		c.Event(Event{Action: action, Key: key, Where: where})
	}
}

// ErrExists is wrapped by the error of Generate when there is a key already.
var ErrExists = errors.New("there is a key already, and none is ever overwritten")

// location is where one key is: in a file, a token or a TPM.
type location interface {
	open() (Key, error)
	generate(kind string) (Key, error)
	erase() (Description, error)
	inspect() (Description, error)
	String() string
}

func (s Spec) location(c Config) (location, error) {
	switch {
	case s == "":
		return nil, errors.New("cannot use a key: none is named")
	case s.isToken():
		return newTokenLocation(s, c)
	case s.isTPM():
		return newTPMLocation(s)
	}
	return fileLocation{string(s), c}, nil
}

func (s Spec) isToken() bool { return strings.HasPrefix(string(s), "pkcs11:") }
func (s Spec) isTPM() bool   { return strings.HasPrefix(string(s), "tpm:") }

// Hardware reports whether the key is in a token or a TPM.
func (s Spec) Hardware() bool { return s.isToken() || s.isTPM() }

// In returns the spec with a relative file name taken relative to dir; a token's URI has none.
func (s Spec) In(dir string) Spec {
	switch {
	case s == "" || s.isToken():
		return s
	case s.isTPM():
		file, query := s.tpmParts()
		return Spec("tpm:" + string(Spec(file).In(dir)) + query)
	case filepath.IsAbs(string(s)):
		return s
	}
	return Spec(filepath.Join(dir, string(s)))
}

// File returns the file of the key or its blob; "" for a key in a token.
func (s Spec) File() string {
	switch {
	case s.isToken():
		return ""
	case s.isTPM():
		file, _ := s.tpmParts()
		return file
	}
	return string(s)
}

// Open opens a key.
func Open(s Spec, c Config) (Key, error) {
	at, err := s.location(c)
	if err != nil {
		return nil, err
	}
	key, err := at.open()
	if err != nil {
		return nil, fmt.Errorf("cannot use the key %s: %w", at, err)
	}
	c.tell(Loaded, key.Describe(), "")
	return key, nil
}

// Generate makes a key of a kind ("" = p256) where the spec says, and opens it. It never overwrites one: ErrExists.
func Generate(s Spec, kind string, c Config) (Key, error) {
	at, err := s.location(c)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		kind = "p256"
	}
	key, err := at.generate(kind)
	if err != nil {
		return nil, fmt.Errorf("cannot make the key %s: %w", at, err)
	}
	c.tell(Generated, key.Describe(), "")
	return key, nil
}

// Inspect tells how a key is protected, without opening it: it asks for no PIN, and does not even look for a token's
// key.
func Inspect(s Spec, c Config) (Description, error) {
	at, err := s.location(c)
	if err != nil {
		return Description{}, err
	}
	d, err := at.inspect()
	if err != nil {
		return d, fmt.Errorf("cannot use the key %s: %w", at, err)
	}
	return d, nil
}

// kindOf returns the kind of a public key, in the words of Generate.
func kindOf(pub crypto.PublicKey) string {
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		return map[int]string{256: "p256", 384: "p384"}[key.Params().BitSize]
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa%d", key.N.BitLen())
	}
	return ""
}

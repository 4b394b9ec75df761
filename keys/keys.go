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

// Config is what keys need besides their place. The zero value opens plain files and what needs no PIN.
type Config struct {
	// WrappingKey is the secret that key files are encrypted under: a file (mode 0600), or "credential:NAME" for one that
	// systemd has loaded. "" = key files are not encrypted. With it, a plain key file is refused.
	WrappingKey string

	// PIN asks a person for a token's PIN, when its URI has no pin-source; what it returns is wiped. nil = nobody is there to ask.
	PIN func(token string) ([]byte, error)

	// Event is told of every key loaded, generated and erased, after the fact; nil = nobody. It must not block.
	Event func(Event)

	// Credentials is the directory of systemd's credentials; "" = $CREDENTIALS_DIRECTORY.
	Credentials string

	// CredentialStores is where Erase looks for an encrypted credential; nil = systemd's own directories.
	CredentialStores []string
}

// Key is an open private key. Sign may be called by several goroutines at once; Close ends its use and destroys nothing.
type Key interface {
	crypto.Signer
	Describe() Description
	Close() error
}

// Protection is how a private key is kept from being read.
type Protection string

// The protections.
const (
	PlainFile     Protection = "file"           // whoever reads the disk has it
	EncryptedFile Protection = "encrypted file" // whoever reads the disk needs the wrapping key too
	PKCS11        Protection = "pkcs11"         // in a token or HSM
	TPM           Protection = "tpm"            // in the machine's TPM
)

// Hidden tells whether reading the disk is not enough to have the key.
func (p Protection) Hidden() bool { return p == EncryptedFile || p == PKCS11 || p == TPM }

// Description is what may be told of a key: it holds no secret.
type Description struct {
	Where      string     `json:"where"`
	Kind       string     `json:"kind,omitempty"` // p256, p384, rsa3072 …; "" = cannot be told without opening it
	Protection Protection `json:"protection"`
	Exportable bool       `json:"exportable"` // the program that opens it could copy it
}

// Action names what happened to a key.
type Action string

// The actions, as the audit trail names them (EL1).
const (
	Loaded         Action = "key.loaded"
	Generated      Action = "key.generated"
	Erased         Action = "key.erased"
	WrappingErased Action = "wrapping_key.erased"
	WrappingAbsent Action = "wrapping_key.absent" // Erase did not find it: somebody must destroy it by hand
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

// ErrExists is in the error of Generate when there is a key already.
var ErrExists = errors.New("there is a key already, and none is ever overwritten")

// place is one kind of place for keys.
type place interface {
	open() (Key, error)
	generate(kind string) (Key, error)
	erase() (Description, error)
	inspect() (Description, error)
	String() string
}

func (s Spec) place(c Config) (place, error) {
	switch {
	case s == "":
		return nil, errors.New("cannot use a key: none is named")
	case s.isToken():
		return newTokenPlace(s, c)
	case s.isTPM():
		return newTPMPlace(s)
	}
	return filePlace{string(s), c}, nil
}

func (s Spec) isToken() bool { return strings.HasPrefix(string(s), "pkcs11:") }
func (s Spec) isTPM() bool   { return strings.HasPrefix(string(s), "tpm:") }

// Hardware tells whether the key is in a token or a TPM.
func (s Spec) Hardware() bool { return s.isToken() || s.isTPM() }

// In gives the spec with a relative file name made relative to dir; a token's URI has none.
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

// File is the file that holds the key or its blob; "" for a key in a token.
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
	at, err := s.place(c)
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

// Generate makes a key of a kind ("" = p256) in its place, and opens it. It never overwrites: ErrExists.
func Generate(s Spec, kind string, c Config) (Key, error) {
	at, err := s.place(c)
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

// Inspect tells how a key is protected, without opening it: no PIN is asked. A token's key is not even looked for.
func Inspect(s Spec, c Config) (Description, error) {
	at, err := s.place(c)
	if err != nil {
		return Description{}, err
	}
	d, err := at.inspect()
	if err != nil {
		return d, fmt.Errorf("cannot use the key %s: %w", at, err)
	}
	return d, nil
}

// kindOf names the kind of a public key, as Generate wants it.
func kindOf(pub crypto.PublicKey) string {
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		return map[int]string{256: "p256", 384: "p384"}[key.Params().BitSize]
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa%d", key.N.BitLen())
	}
	return ""
}

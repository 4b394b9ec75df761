package keys

import (
	"crypto"
	"errors"
	"fmt"
)

// Module is how package keys reaches PKCS#11: what tlagate/keys/pkcs11 gives. PIN is wiped after the call.
type Module interface {
	Open(u *URI, pin []byte) (TokenKey, error)
	Generate(u *URI, pin []byte, kind string) (TokenKey, error) // ErrExists when object or id is taken
}

// TokenKey is a key in a token.
type TokenKey interface {
	crypto.Signer
	Exportable() bool // the token would give it away
	Destroy() error   // in the token, for good
	Close() error
}

var module Module

// RegisterModule is called by tlagate/keys/pkcs11 when it is part of the program.
func RegisterModule(m Module) { module = m }

// ErrNoModule is in the error of a program that was built without PKCS#11.
var ErrNoModule = errors.New("this program was built without PKCS#11: use the one that `make build` makes (go build -tags pkcs11, with cgo)")

// tokenPlace is a key in a token.
type tokenPlace struct {
	uri *URI
	c   Config
}

func newTokenPlace(s Spec, c Config) (place, error) {
	u, err := ParseURI(string(s))
	if err != nil {
		return nil, fmt.Errorf("cannot use a PKCS#11 URI: %w", err)
	}
	return tokenPlace{u, c}, nil
}

func (p tokenPlace) String() string { return p.uri.String() }

type tokenKey struct {
	TokenKey
	about Description
}

func (k tokenKey) Describe() Description { return k.about }

// with calls f with the module and the PIN.
func (p tokenPlace) with(f func(m Module, pin []byte) (TokenKey, error)) (Key, error) {
	if module == nil {
		return nil, ErrNoModule
	}
	pin, err := p.pin()
	if err != nil {
		return nil, err
	}
	defer wipe(pin)
	key, err := f(module, pin)
	if err != nil {
		return nil, err
	}
	about, _ := p.inspect()
	about.Kind, about.Exportable = kindOf(key.Public()), key.Exportable()
	return tokenKey{key, about}, nil
}

func (p tokenPlace) open() (Key, error) {
	return p.with(func(m Module, pin []byte) (TokenKey, error) { return m.Open(p.uri, pin) })
}

func (p tokenPlace) generate(kind string) (Key, error) {
	return p.with(func(m Module, pin []byte) (TokenKey, error) { return m.Generate(p.uri, pin, kind) })
}

func (p tokenPlace) inspect() (Description, error) {
	return Description{Where: p.uri.String(), Protection: PKCS11}, nil
}

func (p tokenPlace) erase() (Description, error) {
	key, err := p.open()
	if err != nil {
		return Description{}, err
	}
	defer key.Close()
	return key.Describe(), key.(tokenKey).Destroy()
}

// maxPIN bounds a PIN, in octets.
const maxPIN = 255

// pin gets the PIN from where the URI says, or from a person; wipe it.
func (p tokenPlace) pin() (pin []byte, err error) {
	switch {
	case p.uri.PINSource != "":
		if pin, err = p.pinFromSource(); err != nil {
			return nil, fmt.Errorf("cannot read the PIN of pin-source %s: %w", p.uri.PINSource, err)
		}
	case p.c.PIN == nil:
		return nil, errors.New("its PIN is needed and nobody is there to ask: name it with pin-source=credential:NAME or pin-source=file:/…")
	default:
		if pin, err = p.c.PIN(p.uri.TokenName()); err != nil {
			return nil, fmt.Errorf("cannot ask for the PIN: %w", err)
		}
	}
	if len(pin) == 0 || len(pin) > maxPIN {
		wipe(pin)
		return nil, fmt.Errorf("the PIN is empty or longer than %d octets", maxPIN)
	}
	return pin, nil
}

func (p tokenPlace) pinFromSource() ([]byte, error) {
	if file, ok := p.uri.pinFile(); ok {
		return p.c.Secret(file)
	}
	return p.c.Secret(p.uri.PINSource)
}

// TokenFiles are the module's file and that of the PIN, each "" when there is none: only a key in a token has them.
func (s Spec) TokenFiles() (module, pin string) {
	if !s.isToken() {
		return "", ""
	}
	u, err := ParseURI(string(s))
	if err != nil {
		return "", ""
	}
	if file, ok := u.pinFile(); ok {
		pin = file
	}
	return u.Module, pin
}

package keys

import (
	"crypto"
	"errors"
	"fmt"
)

// Module is the PKCS#11 of tlagate/keys/pkcs11. The caller wipes pin after the call.
type Module interface {
	Open(u *URI, pin []byte) (TokenKey, error)
	Generate(u *URI, pin []byte, kind string) (TokenKey, error) // ErrExists when object or id is taken
}

// TokenKey is a key in a token.
type TokenKey interface {
	crypto.Signer
	Exportable() bool // whether the token would let it out
	Destroy() error   // in the token, for good
	Close() error
}

var module Module

// RegisterModule is called by tlagate/keys/pkcs11 if that is part of the program.
func RegisterModule(m Module) { module = m }

// errNoModule is the error of a program that was built without PKCS#11.
var errNoModule = errors.New("this program was built without PKCS#11: use the one that `make build` makes (go build " +
	"-tags pkcs11, with cgo)")

// tokenPlace is a key in a token.
type tokenLocation struct {
	uri *URI
	c   Config
}

func newTokenLocation(s Spec, c Config) (location, error) {
	u, err := ParseURI(string(s))
	if err != nil {
		return nil, fmt.Errorf("cannot use a PKCS#11 URI: %w", err)
	}
	return tokenLocation{u, c}, nil
}

func (p tokenLocation) String() string { return p.uri.String() }

type tokenKey struct {
	TokenKey
	about Description
}

func (k tokenKey) Describe() Description { return k.about }

// with calls f with the module and the PIN.
func (p tokenLocation) with(f func(m Module, pin []byte) (TokenKey, error)) (Key, error) {
	if module == nil {
		return nil, errNoModule
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

func (p tokenLocation) open() (Key, error) {
	return p.with(func(m Module, pin []byte) (TokenKey, error) { return m.Open(p.uri, pin) })
}

func (p tokenLocation) generate(kind string) (Key, error) {
	return p.with(func(m Module, pin []byte) (TokenKey, error) { return m.Generate(p.uri, pin, kind) })
}

func (p tokenLocation) inspect() (Description, error) {
	return Description{Where: p.uri.String(), Protection: PKCS11}, nil
}

func (p tokenLocation) erase() (Description, error) {
	key, err := p.open()
	if err != nil {
		return Description{}, err
	}
	defer key.Close()
	return key.Describe(), key.(tokenKey).Destroy()
}

// maxPIN is the longest PIN, in octets.
const maxPIN = 255

// pin gets the PIN from where the URI says, or from a person. The caller wipes it.
func (p tokenLocation) pin() (pin []byte, err error) {
	switch {
	case p.uri.PINSource != "":
		if pin, err = p.pinFromSource(); err != nil {
			return nil, fmt.Errorf("cannot read the PIN of pin-source %s: %w", p.uri.PINSource, err)
		}
	case p.c.PIN == nil:
		return nil, errors.New("its PIN is needed and nobody is there to ask: name it with " +
			"pin-source=credential:NAME or pin-source=file:/…")
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

func (p tokenLocation) pinFromSource() ([]byte, error) {
	if file, ok := p.uri.pinFile(); ok {
		return p.c.Secret(file)
	}
	return p.c.Secret(p.uri.PINSource)
}

// TokenFiles returns the files of the module and of the PIN of a key in a token, each "" when there is none.
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

//go:build cgo

package pkcs11

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/ThalesGroup/crypto11"

	"tlagate/keys"
)

func init() { keys.RegisterModule(module{}) }

// module is keys.Module over crypto11.
type module struct{}

// sessions is the most sessions with one token: each signature uses one while it is made.
const sessions = 16

func connect(u *keys.URI, pin []byte) (*crypto11.Context, error) {
	if _, err := os.Stat(u.Module); err != nil {
		return nil, fmt.Errorf("its module cannot be loaded: %w", err)
	}
	token, err := crypto11.Configure(&crypto11.Config{
		Path: u.Module, TokenLabel: u.Token, TokenSerial: u.Serial, SlotNumber: u.Slot, Pin: string(pin),
		MaxSessions: sessions,
	})
	if err != nil {
		return nil, fmt.Errorf("token %s with module %s: %w", u.TokenName(), u.Module, err)
	}
	return token, nil
}

// key is a key pair in a token, with the connection to it.
type key struct {
	crypto11.Signer
	token      *crypto11.Context
	exportable bool
	closing    sync.Once // crypto11 panics when it is closed twice
}

func (k *key) Exportable() bool { return k.exportable }
func (k *key) Destroy() error   { return k.Delete() }

func (k *key) Close() (err error) {
	k.closing.Do(func() { err = k.token.Close() })
	return err
}

// Open finds the one key that u names.
func (module) Open(u *keys.URI, pin []byte) (keys.TokenKey, error) {
	return within(u, pin, func(token *crypto11.Context) (crypto11.Signer, error) {
		found, err := find(token, u)
		if err != nil {
			return nil, err
		}
		switch len(found) {
		case 0:
			return nil, fmt.Errorf("there is no such key pair in the token (both halves must be there, with the "+
				"same id): %w", fs.ErrNotExist)
		case 1:
			return found[0], nil
		}
		return nil, fmt.Errorf("the token has %d such keys: name one by object and id", len(found))
	})
}

// Generate makes a key pair that cannot be read or wrapped out of the token.
func (module) Generate(u *keys.URI, pin []byte, kind string) (keys.TokenKey, error) {
	return within(u, pin, func(token *crypto11.Context) (crypto11.Signer, error) {
		if err := free(token, u); err != nil {
			return nil, err
		}
		return generate(token, u, kind)
	})
}

// within calls f with an open token, which stays open only for the key that f returns.
func within(u *keys.URI, pin []byte, f func(*crypto11.Context) (crypto11.Signer, error)) (keys.TokenKey, error) {
	token, err := connect(u, pin)
	if err != nil {
		return nil, err
	}
	signer, err := f(token)
	if err != nil {
		return nil, errors.Join(err, token.Close())
	}
	return &key{Signer: signer, token: token, exportable: exportable(token, signer)}, nil
}

func find(token *crypto11.Context, u *keys.URI) ([]crypto11.Signer, error) {
	var label []byte
	if u.Object != "" {
		label = []byte(u.Object)
	}
	found, err := token.FindKeyPairs(u.ID, label)
	if err != nil {
		return nil, fmt.Errorf("cannot look for its key: %w", err)
	}
	return found, nil
}

// free reports an error if the token has anything with that label, or with that id.
func free(token *crypto11.Context, u *keys.URI) error {
	taken, err := find(token, &keys.URI{Object: u.Object, ID: u.ID})
	if err == nil && u.ID != nil && u.Object != "" {
		var more []crypto11.Signer
		more, err = find(token, &keys.URI{ID: u.ID})
		taken = append(taken, more...)
	}
	if err == nil && len(taken) > 0 {
		err = keys.ErrExists
	}
	return err
}

func generate(token *crypto11.Context, u *keys.URI, kind string) (crypto11.Signer, error) {
	public, private, err := attributes(u)
	if err != nil {
		return nil, err
	}
	if curve, ok := keys.Curves[kind]; ok {
		return token.GenerateECDSAKeyPairWithAttributes(public, private, curve)
	}
	if bits, ok := keys.RSASizes[kind]; ok {
		return token.GenerateRSAKeyPairWithAttributes(public, private, bits)
	}
	return nil, fmt.Errorf("a token makes no key of kind %q: want p256, p384, rsa3072 or rsa4096", kind)
}

// attributes returns those that keep the private key in the token; crypto11 adds the rest.
func attributes(u *keys.URI) (public, private crypto11.AttributeSet, err error) {
	id := u.ID
	if id == nil {
		id = make([]byte, 16)
		rand.Read(id)
	}
	name := u.Object
	if name == "" {
		name = "tlagate"
	}
	if public, err = crypto11.NewAttributeSetWithIDAndLabel(id, []byte(name)); err != nil {
		return nil, nil, err
	}
	private = public.Copy()
	for attribute, value := range map[crypto11.AttributeType]bool{
		crypto11.CkaSensitive: true, crypto11.CkaExtractable: false, crypto11.CkaPrivate: true,
		crypto11.CkaDecrypt: false,
	} {
		if err := private.Set(attribute, value); err != nil {
			return nil, nil, err
		}
	}
	return public, private, nil
}

// exportable asks the token whether a key can leave it; if it does not say, it is assumed so.
func exportable(token *crypto11.Context, k crypto.Signer) bool {
	attribute, err := token.GetAttribute(k, crypto11.CkaExtractable)
	return err != nil || attribute == nil || len(attribute.Value) != 1 || attribute.Value[0] != 0
}

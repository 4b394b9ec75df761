package bundle_test

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/bundle"
	"tlagate/pki/pkitest"
	"tlagate/session/user"
)

func textOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// TestSP1WhoMustProveWhoTheyAre: a PdT's bundle says so, and by whose certificates; what could never be verified, or
// means nothing, is no bundle.
func TestSP1WhoMustProveWhoTheyAre(t *testing.T) {
	b, persons := newBed(t), pkitest.NewPersons(t)
	good := func() *bundle.Content {
		c := b.content(1)
		c.For, c.PdTs, c.Policy = "urn:tlagate:cabinet:pdt:bureau", nil, nil
		c.User = bundle.User{Mode: user.Require, Practices: map[string]user.Mode{"voisin": user.Tell},
			Persons: []string{pkitest.Doctor.ID}}
		c.Persons = bundle.Persons{Anchors: []string{textOf(persons.Root.Cert)},
			Intermediates: []string{textOf(persons.Issuing.Cert)},
			Sources:       bundle.Sources{CRLs: []string{"http://igc.example.invalid/p.crl"}},
			Mapping:       bundle.Mapping{Identifier: "CN", Form: "8[0-9]{11}", Profession: "title"}}
		return c
	}
	signed, err := bundle.Sign(good(), &b.ops, time.Now())
	require.NoError(t, err)
	read, err := bundle.Read(signed)
	require.NoError(t, err)
	require.Equal(t, good().User, read.User)
	anchors, issuing, err := read.Persons.CAs()
	require.NoError(t, err)
	require.True(t, anchors[0].Cert.Equal(persons.Root.Cert) && issuing[0].Equal(persons.Issuing.Cert))

	for name, spoil := range map[string]func(*bundle.Content){
		"a mode that is none":          func(c *bundle.Content) { c.User.Mode = "always" },
		"a practice's":                 func(c *bundle.Content) { c.User.Practices["voisin"] = "x" },
		"required, and no CA":          func(c *bundle.Content) { c.Persons, c.User.Persons = bundle.Persons{}, nil },
		"names, and no CA":             func(c *bundle.Content) { c.Persons, c.User.Mode = bundle.Persons{}, "" },
		"no anchor":                    func(c *bundle.Content) { c.Persons.Anchors = nil },
		"an anchor that is none":       func(c *bundle.Content) { c.Persons.Anchors[0] = "x" },
		"a person's certificate":       func(c *bundle.Content) { c.Persons.Intermediates[0] = textOf(b.device.Leaf) },
		"no identifier":                func(c *bundle.Content) { c.Persons.Mapping.Identifier = "" },
		"a form that is none":          func(c *bundle.Content) { c.Persons.Mapping.Form = "8[0-9" },
		"a source that is not fetched": func(c *bundle.Content) { c.Persons.Sources.CRLs[0] = "ldap://x/y" },
	} {
		t.Run("SP1 "+name, func(t *testing.T) {
			c := good()
			spoil(c)
			_, err := bundle.Sign(c, &b.ops, time.Now())
			require.Error(t, err)
		})
	}
}

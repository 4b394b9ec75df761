package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
)

// TestC2CheckNamesWhyNoCardWouldPass: what is wrong with the CAs of persons is said before a card is refused.
func TestC2CheckNamesWhyNoCardWouldPass(t *testing.T) {
	d, persons := deploy(t), pkitest.NewPersons(t)
	require.NoError(t, os.Mkdir(filepath.Join(d.dir, "persons"), 0o700))
	persons.WriteTrust(filepath.Join(d.dir, "persons"))
	section := func(anchor, issuing, more string) string {
		return fmt.Sprintf("persons:\n  anchors: [{file: %s}]\n  intermediates: [%s]\n"+
			"  crls: [persons/root.crl, persons/issuing.crl]\n"+
			"  mapping: {identifier: CN, form: \"8[0-9]{11}\"}\n%s", anchor, issuing, more)
	}
	good := section("persons/root.pem", "persons/issuing.pem", "")
	for _, c := range []struct {
		name, more string
		code       int
		says       string
	}{
		{"good", "user: {mode: require}\n" + good, 0, `users +no session without a proof of who they are\n`},
		{"tell", good, 0, `users +asked for a proof of who they are, and let in without one, too\n`},
		{"no issuing CA", section("persons/root.pem", "", ""), 1, `WRONG +persons.intermediates: no issuing CA is named`},
		{"another's issuing CA", section("persons/root.pem", "persons/issuing.pem, issuing.pem", ""), 1,
			`WRONG +persons.intermediates: no anchor of persons vouches for "TEST tlagate issuing"`},
		{"the devices' root", section("root.pem", "persons/issuing.pem", ""), 2, `WRONG .* vouches for no person`},
		{"for use", section("persons/root.pem", "persons/issuing.pem", "  production: true\n"), 2,
			`(?s)WRONG +persons: test_ca: [^\n]*name the CAs of cards that are for use.*\nWRONG +persons: test_ca`},
		{"without lists", "persons:\n  anchors: [{file: persons/root.pem}]\n  intermediates: [persons/issuing.pem]\n" +
			"  mapping: {identifier: CN, form: \"8[0-9]{11}\"}\n", 1,
			`cannot tell which certificates of persons that "TEST AC persons" issued are revoked`},
		{"another CA's list", strings.Replace(good, "/issuing.crl]", "/issuing.crl, issuing.crl]", 1), 0,
			`WARNING +persons.crls: .*/issuing.crl is of "TEST tlagate issuing", which is no CA of persons here.*take`},
		{"no such mode", "user: {mode: required}\n" + good, 2, `WRONG +user.mode: cannot use "required"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.configure(goodConfig + c.more)
			code, out := d.run("", "check")
			require.Equal(t, c.code, code, out)
			require.Regexp(t, c.says, out)
			require.NotRegexp(t, `(?m)^users +$`, out)
		})
	}
}

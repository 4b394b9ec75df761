package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
)

// TestC2DoctorSaysWhetherUsersCanProveWhoTheyAre: what a card needs is there, or the doctor names what is lacking.
func TestC2DoctorSaysWhetherUsersCanProveWhoTheyAre(t *testing.T) {
	const mapping = "  mapping: {identifier: CN, form: \"8[0-9]{11}\"}\n"
	const root, issuing = "persons:\n  anchors: [{file: p/root.pem}]\n" + mapping, "  intermediates: [p/issuing.pem]\n"
	for _, c := range []struct{ name, configuration, says string }{
		{"required", "user: {mode: require}\n" + root + issuing, `OK +users +a proof .* is demanded`},
		{"asked for", "user: {mode: tell}\n" + root + issuing, `WARNING +users +a session begins without a proof`},
		{"not asked for", "user: {mode: off}\n" + root + issuing, `WARNING +users +users of terminals are not asked`},
		{"nobody's business", "user: {mode: off}\n", `OK +users +users of terminals are not asked`},
		{"required of nobody", "user: {mode: require}\n", `NOT CHECKABLE +users +see configuration`},
		{"no such mode", "user: {mode: required}\n", `NOT CHECKABLE +users +see configuration`},
		{"no issuing CA", root, `FAILURE +users +persons.intermediates: no issuing CA is named`},
		{"another's issuing CA", root + "  intermediates: [issuing.pem]\n",
			`FAILURE +users +persons.intermediates: no anchor of persons vouches for "TEST tlagate issuing"`},
		{"another CA's list", "user: {mode: require}\n" + root + issuing + "  crls: [p/root.crl, issuing.crl]\n",
			`WARNING +users +persons.crls: .*issuing.crl is of "TEST tlagate issuing", which is no CA of persons here`},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := deployment(t, c.configuration)
			dir := filepath.Join(filepath.Dir(config), "p")
			require.NoError(t, os.Mkdir(dir, 0o700))
			pkitest.NewPersons(t).WriteTrust(dir)
			_, stdout, stderr := command(t.Context(), "doctor", "--offline", "-c", config)
			require.Regexp(t, c.says, stdout+stderr)
		})
	}
}

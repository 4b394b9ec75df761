package main

import (
	"testing"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"tlagate/keys/keystest"
	_ "tlagate/keys/pkcs11"
	"tlagate/pki/ca/backup"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tla-pki": program})
}

// program is tla-pki, but for the cost of its passphrases; pki/ca/backup tests that.
func program() {
	fromPassphrase = cheapPassphrase
	main()
}

func cheapPassphrase(text string) (age.Recipient, error) {
	r, err := backup.Passphrase(text)
	if scrypt, ok := r.(*age.ScryptRecipient); ok && err == nil {
		scrypt.SetWorkFactor(10)
	}
	return r, err
}

// raceEnv has a program that was built with the race detector end at once: without it, each sleeps for a second at its end.
const raceEnv, raceAtOnce = "GORACE", "atexit_sleep_ms=0"

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    exits,
			"lastline": lastLine,
		},
		Setup: withToken,
	})
}

// withToken gives a script a PKCS#11 token, and key: lines for it.
func withToken(env *testscript.Env) error {
	token, err := keystest.MakeToken(env.WorkDir)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		raceEnv:         raceAtOnce,
		"SOFTHSM2_CONF": token.Conf, "PINFILE": token.PIN,
		"ROOT": token.URI("root"), "ISSUING": token.URI("issuing"), "OTHER": token.URI("other"),
		"PINVALUE": token.Asked("x") + "&pin-value=987654",
	} {
		env.Setenv(name, value)
	}
	return nil
}

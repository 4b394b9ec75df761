package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tlagate/cmd/internal/built"
	"tlagate/keys/keystest"
)

func TestMain(m *testing.M) { os.Exit(built.Run(m, "tla-pki")) }

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    exits,
			"lastline": lastLine,
			"appears":  appears,
			"logs":     logs,
		},
		Setup: withToken,
	})
}

// withToken returns a script a PKCS#11 token, and key: lines for it.
func withToken(env *testscript.Env) error {
	token, err := keystest.MakeToken(env.WorkDir)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"SOFTHSM2_CONF": token.Conf, "PINFILE": token.PIN,
		"ROOT": token.URI("root"), "ISSUING": token.URI("issuing"), "OTHER": token.URI("other"),
		"NEXT": token.URI("next"), "PINVALUE": token.Asked("x") + "&pin-value=987654",
		"LONG": strings.Repeat("x", 201), "ESCAPE": "a\x1b[2Jb",
	} {
		env.Setenv(name, value)
	}
	return nil
}

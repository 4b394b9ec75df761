package keys_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/keys"
)

const goodURI = "pkcs11:token=lab%20token;object=issuing;type=private?module-path=/usr/lib/m.so" +
	"&pin-source=file:/etc/pin"

func TestURI(t *testing.T) {
	slot := 3
	for text, want := range map[string]keys.URI{
		goodURI: {Token: "lab token", Object: "issuing", Module: "/usr/lib/m.so", PINSource: "file:/etc/pin"},
		"pkcs11:serial=0a1b;id=%01%ff?module-path=/m.so": {Serial: "0a1b", ID: []byte{1, 255},
			Module: "/m.so"},
		"pkcs11:slot-id=3;object=k?pin-source=credential:pin&module-path=/m.so": {Slot: &slot,
			Object: "k", Module: "/m.so", PINSource: "credential:pin"},
		"pkcs11:token=é;object=a;id=b?module-path=%2Fm.so&pin-source=file:%2F%2F%2Fpin": {Token: "é",
			Object: "a", ID: []byte("b"), Module: "/m.so", PINSource: "file:///pin"},
	} {
		got, err := keys.ParseURI(text)
		require.NoError(t, err, text)
		require.Equal(t, &want, got)
	}
}

func TestSP3URIRefusals(t *testing.T) {
	const module = "?module-path=/m.so"
	for text, says := range map[string]string{
		"":                         "of the form",
		"file:a":                   "of the form",
		"pkcs11:" + module:         "one of token",
		"pkcs11:token=t" + module:  "object, id",
		"pkcs11:object=o" + module: "one of token",
		"pkcs11:token=t;object=o":  "module's file",
		"pkcs11:token=t;serial=s;object=o" + module:                       "one of token",
		"pkcs11:token=t;object=o?module-path=m.so":                        "module's file",
		"pkcs11:token=t;object=o?module-name=opensc":                      `"module-name" is not used`,
		"pkcs11:token=t;manufacturer=m;object=o" + module:                 `"manufacturer" is not used`,
		"pkcs11:token=t;token=u;object=o" + module:                        "given twice",
		"pkcs11:token=;object=o" + module:                                 "is empty",
		"pkcs11:token=%zz;object=o" + module:                              "hexadecimal",
		"pkcs11:token=a%00b;object=o" + module:                            "not printable",
		"pkcs11:token=%ff;object=o" + module:                              "not printable",
		"pkcs11:slot-id=x;object=o" + module:                              "not a number",
		"pkcs11:slot-id=-1;object=o" + module:                             "not a number",
		"pkcs11:token=t;object=o;type=cert" + module:                      "not private",
		"pkcs11:token=t;object=o" + module + "&pin-value=4711":            "does not belong in a configuration",
		"pkcs11:token=t;object=o;pin-value=4711" + module:                 "is not used",
		"pkcs11:token=t;object=o" + module + "&pin-source=%7C/bin/getpin": "neither file",
		"pkcs11:token=t;object=o" + module + "&pin-source=file:pin":       "neither file",
		"pkcs11:token=t;object=o" + module + "&pin-source=4711":           "neither file",
		"pkcs11:token=t;object=o" + module + "&pin-source=credential:a/b": "without /",
		"pkcs11:" + strings.Repeat("x", 5000):                             "of the form",
	} {
		_, err := keys.ParseURI(text)
		require.ErrorContains(t, err, says, text)
		require.NotContains(t, err.Error(), "4711")
		_, err = keys.Open(keys.Spec("pkcs11:"+strings.TrimPrefix(text, "pkcs11:")), keys.Config{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "4711")
	}
}

func FuzzURI(f *testing.F) {
	for _, seed := range []string{goodURI, "pkcs11:slot-id=3;id=%00?module-path=/m&pin-source=credential:x",
		"pkcs11:", "pkcs11:a=b;;?&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := keys.ParseURI(text)
		if err != nil {
			return
		}
		if u.Object == "" && u.ID == nil || !filepath.IsAbs(u.Module) || u.TokenName() == "" || u.String() == "" {
			t.Fatalf("%q was accepted as %+v", text, u)
		}
		if strings.Contains(text, "pin-value=") && !strings.Contains(text, "%") {
			for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == '?' || r == '&' }) {
				if strings.HasPrefix(part, "pin-value=") {
					t.Fatalf("%q was accepted", text)
				}
			}
		}
	})
}

// seeds returns a plain, an encrypted and a TPM's key file.
func seeds(t testing.TB) (files [][]byte) {
	locked, _ := wrapped(t)
	for name, config := range map[string]keys.Config{"plain": {}, "encrypted": locked} {
		file := filepath.Join(t.TempDir(), name)
		generate(t, keys.Spec(file), "p256", config)
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		files = append(files, raw)
	}
	return append(files, []byte(tpmBlob))
}

// FuzzFile reads arbitrary key files of all forms: none makes it panic, and what is out of bounds is refused.
func FuzzFile(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) { keys.ReadAll(text) })
}

// TestEveryFormHasASeed: the seeds are key files, and no part of one is.
func TestEveryFormHasASeed(t *testing.T) {
	forms := map[int]bool{}
	for _, seed := range seeds(t) {
		plain, encrypted, tpm := keys.ReadAll(seed)
		for i, is := range []bool{plain, encrypted, tpm} {
			if is {
				forms[i] = true
			}
		}
		for cut := range len(seed) - 2 {
			plain, encrypted, tpm := keys.ReadAll(seed[:cut])
			require.False(t, plain || encrypted || tpm, "the first %d octets", cut)
		}
	}
	require.Len(t, forms, 3)
}

package keycmd

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/keys/keystest"
	_ "tlagate/keys/pkcs11"
	"tlagate/pki/pkitest"
)

// device writes the files of a PdT, its server key wrapped, and its configuration file.
func device(t *testing.T) (config, dir string) {
	dir = t.TempDir()
	authority := pkitest.New(t)
	authority.WriteTrust(dir)
	for name, use := range map[string]x509.ExtKeyUsage{"client": x509.ExtKeyUsageClientAuth,
		"server": x509.ExtKeyUsageServerAuth} {
		pkitest.WriteCertificate(t, dir, name, authority.Issue("urn:tlagate:cab1:pdt:bureau", use))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "server.key")))
	wrap := filepath.Join(dir, "wrap")
	require.NoError(t, os.WriteFile(wrap, []byte(strings.Repeat("w", 40)), 0o600))
	key, err := keys.Generate(keys.Spec(filepath.Join(dir, "server.key")), "", keys.Config{WrappingKey: wrap})
	require.NoError(t, err)
	require.NoError(t, key.Close())
	return write(t, dir, `
client: {cert: client.pem, key: client.key}
server: {cert: server.pem, key: server.key, wrapping_key: wrap}
trust: {anchors: [{file: root.pem}], intermediates: [issuing.pem]}
`), dir
}

func write(t *testing.T, dir, text string) string {
	file := filepath.Join(dir, "device.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func app(input string) (*cli.App, *bytes.Buffer) {
	var out bytes.Buffer
	return &cli.App{Context: context.Background(), Stdin: strings.NewReader(input), Stdout: &out, Stderr: &out}, &out
}

func TestG2InventoryOfAConfiguration(t *testing.T) {
	config, dir := device(t)
	a, out := app("")
	require.NoError(t, List(a, config, false, English))
	for _, want := range []string{
		`(?m)^USE +SUBJECT +ALGORITHM +WHERE +PROTECTION +SERIAL +FROM +TO +STATUS$`,
		`(?m)^client +urn:tlagate:cab1:pdt:bureau +ECDSA P-256 +\S+client.key +file +[0-9a-f]+ +20\S+ +20\S+ +in date$`,
		`(?m)^server +urn:tlagate:cab1:pdt:bureau +ECDSA P-256 +\S+server.key +encrypted file +.* in date$`,
		`(?m)^server.wrapping_key +- +PBKDF2, AES-256 +\S+wrap +file +.*in use$`,
		`(?m)^trust.anchors\[0\] +TEST tlagate root .*public .*in date$`,
		`(?m)^trust.intermediates\[0\] .*public .*in date$`,
	} {
		require.Regexp(t, regexp.MustCompile(want), out.String())
	}

	a, out = app("")
	require.NoError(t, List(a, config, true, English))
	var list []Entry
	require.NoError(t, json.Unmarshal(out.Bytes(), &list))
	require.Len(t, list, 5)
	require.True(t, list[0].Exportable)

	require.NoError(t, os.Chmod(filepath.Join(dir, "client.key"), 0o644))
	a, out = app("")
	require.Error(t, List(a, config, false, English))
	require.Contains(t, out.String(), "WRONG: cannot use the key")
	later, err := Of(config, time.Now().AddDate(50, 0, 0))
	require.NoError(t, err)
	require.Equal(t, Expired, later[1].Status)
	_, err = Of(write(t, dir, "listen: x\n"), time.Now())
	require.ErrorContains(t, err, "no section has a cert and a key")
}

func TestG2EraseAsksTheName(t *testing.T) {
	config, dir := device(t)
	erase := &Erase{Config: config, Running: func() error { return nil }, Words: English}
	for _, typed := range []string{"", "poste\n", "bureau2\n"} {
		a, out := app(typed)
		require.ErrorContains(t, erase.Run(a), "nothing was erased")
		require.Contains(t, out.String(), "Type its name to confirm")
		require.FileExists(t, filepath.Join(dir, "client.key"))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "client.key.next"), []byte("a key"), 0o600))
	a, out := app("bureau\n")
	require.NoError(t, erase.Run(a))
	for _, name := range []string{"client.key", "client.key.next", "server.key", "wrap"} {
		require.NoFileExists(t, filepath.Join(dir, name))
	}
	text := out.String()
	require.Contains(t, text, "destroyed: wrapping key "+filepath.Join(dir, "wrap"))
	require.Equal(t, 1, strings.Count(text, "It was not encrypted"), text)
	require.Regexp(t,
		`tla-pki revoke --dir DIR --serial [0-9a-f]+ --reason cessationOfOperation\n.*--serial [0-9a-f]+ `, text)

	a, out = app("")
	erase.Yes = true
	require.NoError(t, erase.Run(a), "once more is no error")
	require.Contains(t, out.String(), "nothing there: "+filepath.Join(dir, "client.key"))
}

func TestG2EraseRefusesWhileTheProgramRuns(t *testing.T) {
	config, dir := device(t)
	a, _ := app("bureau\n")
	err := (&Erase{Config: config, Yes: true, Running: func() error { return errors.New("stop it") },
		Words: English}).Run(a)
	require.ErrorContains(t, err, "keeps them in memory: stop it first (stop it)")
	require.FileExists(t, filepath.Join(dir, "client.key"))
}

func TestG2EraseInHardware(t *testing.T) {
	_, dir := device(t)
	token, tpm := keystest.NewToken(t), "tpm:device.tpm?device="+keystest.NewTPM(t)
	for _, spec := range []keys.Spec{keys.Spec(token.URI("k")), keys.Spec(tpm).In(dir)} {
		key, err := keys.Generate(spec, "", keys.Config{})
		require.NoError(t, err)
		require.NoError(t, key.Close())
	}
	config := write(t, dir, "client: {cert: client.pem, key: \""+token.URI("k")+
		"\"}\nserver: {cert: server.pem, key: \""+tpm+"\"}\n")
	list, err := Of(config, time.Now())
	require.NoError(t, err)
	require.Equal(t, []string{"pkcs11", "tpm"}, []string{list[0].Protection, list[1].Protection})
	a, out := app("")
	require.NoError(t, (&Erase{Config: config, Yes: true, Running: func() error { return nil }, Words: English}).Run(a))
	require.Contains(t, out.String(), "destroyed: key k in token lab token, in the token")
	require.Contains(t, out.String(), "until tpm2_clear")
	_, err = keys.Open(keys.Spec(token.URI("k")), keys.Config{})
	require.ErrorContains(t, err, "no such key pair")
}

func TestEraseTellsOfACredential(t *testing.T) {
	config, dir := device(t)
	raw, err := os.ReadFile(config)
	require.NoError(t, err)
	write(t, dir, strings.Replace(string(raw), "wrapping_key: wrap", "wrapping_key: \"credential:tlagate-wrap\"", 1))
	a, out := app("")
	erase := &Erase{Config: config, Yes: true, Running: func() error { return nil }, Words: English,
		stores: []string{t.TempDir()}}
	require.NoError(t, erase.Run(a))
	require.Contains(t, out.String(), "NOT FOUND: wrapping key credential:tlagate-wrap")
}

// TestG2ThePersonKeyIsAKey: it is listed, and destroyed with the others (EL3), though it has no certificate.
func TestG2ThePersonKeyIsAKey(t *testing.T) {
	for protection, section := range map[string]string{
		"file":           "person_key: {file: person.key}\n",
		"encrypted file": "person_key: {file: person.key, wrapping_key: wrap2}\n",
	} {
		t.Run("G2 "+protection, func(t *testing.T) {
			config, dir := device(t)
			raw, err := os.ReadFile(config)
			require.NoError(t, err)
			write(t, dir, string(raw)+section)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "wrap2"), []byte(strings.Repeat("v", 40)), 0o600))
			c := keys.Config{}
			if protection != "file" {
				c.WrappingKey = filepath.Join(dir, "wrap2")
			}
			file := filepath.Join(dir, "person.key")
			require.NoError(t, c.WriteSecret(file, []byte("the marks")))
			a, out := app("")
			require.NoError(t, List(a, config, false, English))
			require.Regexp(t, `(?m)^person_key +- +HMAC-SHA-256 +\S+person.key +`+protection+` .* in use$`, out.String())

			erase := &Erase{Config: config, Yes: true, Running: func() error { return nil }, Words: English}
			a, out = app("")
			require.NoError(t, erase.Run(a))
			require.NoFileExists(t, file)
			require.Contains(t, out.String(), "destroyed: key file "+file)
			if protection != "file" {
				require.NoFileExists(t, c.WrappingKey)
			}
			a, _ = app("")
			require.NoError(t, erase.Run(a), "once more is no error")
		})
	}
	config, dir := device(t)
	raw, err := os.ReadFile(config)
	require.NoError(t, err)
	write(t, dir, string(raw)+"person_key: {file: person.key, wrapping_key: wrap}\n")
	require.NoError(t, keys.Config{}.WriteSecret(filepath.Join(dir, "person.key"), []byte("the marks")))
	a, out := app("")
	require.Error(t, List(a, config, false, English))
	require.Contains(t, out.String(), "WRONG: the key is not encrypted")
}

// TestWordsAreWhole: no sentence is missing.
func TestWordsAreWhole(t *testing.T) {
	v := reflect.ValueOf(English)
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
	}
}

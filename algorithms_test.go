package tlagate_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/export"
	"tlagate/audit/host"
	"tlagate/audit/persons"
	"tlagate/bundle"
	"tlagate/ca"
	"tlagate/ca/backup"
	"tlagate/ca/server"
	"tlagate/est"
	"tlagate/gateway"
	"tlagate/heads"
	"tlagate/integrity"
	"tlagate/internal/algorithms"
	"tlagate/keys"
	"tlagate/ocsp"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/session"
	"tlagate/session/consent"
	"tlagate/session/incident"
	"tlagate/session/proof"
	"tlagate/session/ticket"
)

var update = flag.Bool("update", false, "write docs/fr/cryptographie.md")

// allAlgorithms returns what all programs together list.
func allAlgorithms() algorithms.List {
	return algorithms.Gather(pki.TLSAlgorithms(), pki.Algorithms(), revocation.Algorithms(), ca.Algorithms(),
		ocsp.Algorithms(), keys.Algorithms(), consent.Algorithms(), proof.Algorithms(), ticket.Algorithms(),
		session.Algorithms(),
		bundle.Algorithms(), est.Algorithms(), gateway.Algorithms(), incident.Algorithms(), server.Algorithms(),
		backup.Algorithms(), audit.Algorithms(), export.Algorithms(), host.Algorithms(),
		persons.Algorithms(), heads.Algorithms(), integrity.Algorithms())
}

// TestG5EveryUseIsComplete: each use has a name, a purpose, a package and references, in both languages, and one that
// is weak, or not in RGS B1, says why.
func TestG5EveryUseIsComplete(t *testing.T) {
	all := allAlgorithms()
	require.Greater(t, len(all.Uses), 60)
	for _, u := range all.Uses {
		require.NotEmpty(t, u.Name)
		require.NotEmpty(t, u.Place, u.Name)
		require.NotEmpty(t, u.By, u.Name)
		require.DirExists(t, u.Place, u.Name)
		for _, text := range []algorithms.Text{u.For, u.Outside} {
			require.Equal(t, text.EN == "", text.FR == "", u.Name)
		}
		require.NotEmpty(t, u.For.EN, u.Name)
		if mustBeOutside.MatchString(u.Name) {
			require.NotEmpty(t, u.Outside.EN, "%s is outside RGS B1's letter", u.Name)
		}
		if u.Bits > 0 && u.Bits < 112 {
			require.NotEmpty(t, u.Outside.EN, "%s has %d bits", u.Name, u.Bits)
		}
		require.Equal(t, u.Outside.EN != "", u.RGS == algorithms.TakenAway || u.RGS == algorithms.Stays,
			"%s: what stands outside B1's letter says what crypto: rgs makes of it", u.Name)
	}
}

// mustBeOutside matches names that are not in the letter of B1.
var mustBeOutside = regexp.MustCompile(`X25519|SHA-1 |(?i:chacha20)`)

// cryptography matches the imports that bring cryptography, and those in neutral.
var cryptography = regexp.MustCompile(`^(crypto(/.*)?|golang\.org/x/crypto/.*|hash/.*|math/rand(/v2)?|filippo\.io/.*|` +
	`github\.com/(google/go-tpm|ThalesGroup/crypto11|cloudflare/cfssl|zmap/z(crypto|lint))(/.*)?)$`)

// neutral are imports that bring names and forms, and compute nothing that is not listed elsewhere: what crypto/tls and
// crypto/x509 may do is in pki's lists, and another test proves that no other package configures them.
var neutral = []string{"crypto", "crypto/fips140", "crypto/tls", "crypto/x509", "crypto/x509/pkix", "crypto/subtle",
	"golang.org/x/crypto/cryptobyte", "golang.org/x/crypto/cryptobyte/asn1"}

// modules matches imports that belong to one row for the whole module.
var modules = regexp.MustCompile(`^github\.com/(google/go-tpm|cloudflare/cfssl|zmap/z(crypto|lint))`)

// belongs has, for the imports and hashes (crypto.SHA1 …) of a package, the row that they belong to: the beginning of
// its name, if it is of the package itself, or PACKAGE: NAME.
var belongs = table(`
audit                   | crypto/sha256 crypto.SHA256 | SHA-256
audit/export            | filippo.io/age | age: ML-KEM-768
audit/host              | crypto/sha256 crypto.SHA256 | SHA-256
audit/index             | crypto/sha256 | audit: SHA-256
audit/index             | hash/crc32 | no secret: whether a file is damaged
audit/persons           | filippo.io/age filippo.io/age/armor | age: ML-KEM-768
audit/persons           | crypto/hmac crypto/sha256 | HMAC-SHA-256
audit/persons           | crypto/rand | crypto/rand
bundle                  | crypto/ecdsa crypto/elliptic crypto/rand crypto.SHA256 crypto/sha512 crypto.SHA384 | ECDSA P-
bundle                  | crypto/rsa | RSA-PSS
bundle                  | crypto/sha256 | SHA-256
ca                      | crypto/ecdsa crypto/elliptic crypto.SHA256 crypto.SHA384 | ECDSA P-
ca                      | crypto/rsa | RSA
ca                      | crypto/rand | crypto/rand
ca                      | crypto/sha256 | SHA-256
ca                      | crypto.SHA1 golang.org/x/crypto/ocsp | pki/revocation: SHA-1 (OCSP)
ca/backup               | filippo.io/age | age: ML-KEM-768
ca/backup               | crypto/sha256 crypto.SHA256 | SHA-256
ca/certify              | github.com/cloudflare/cfssl | ca: SHA-1 (SubjectKeyIdentifier)
ca/crlwriter            | crypto/ecdsa crypto/elliptic crypto/rand | ca: ECDSA P-
ca/officers             | crypto/rand | no secret: what tells one request from another
ca/server               | crypto/sha256 crypto.SHA256 | SHA-256
ca/store                | crypto/sha256 | ca: SHA-256
cmd/internal/cli        | crypto/sha256 crypto.SHA256 | keys: SHA-256
cmd/internal/cli        | crypto/rand | no secret: a digest to see whether a key still signs
cmd/internal/keycmd     | crypto/ecdsa crypto/rsa | no secret: names of keys
cmd/tla-pki             | filippo.io/age | ca/backup: age
cmd/tla-pki             | crypto/rand | no secret: what a medium is tried with
est                     | crypto/rand | crypto/rand
est                     | crypto.SHA256 crypto.SHA384 | ECDSA-SHA
est                     | crypto/sha256 | SHA-256, 128 bits
gateway                 | crypto/rand | crypto/rand
gateway                 | crypto/sha256 crypto.SHA256 | SHA-256
internal/acts           | hash/maphash | no secret: what tells one request from another
integrity               | crypto/sha256 crypto.SHA256 | SHA-256
internal/algorithms     | crypto/ecdsa crypto/elliptic crypto/rsa | no secret: words
internal/der            | crypto.SHA1 crypto.SHA512 | pki/revocation: SHA-
internal/der            | crypto/ecdsa crypto/elliptic crypto.SHA256 crypto.SHA384 | ca: ECDSA P-
internal/der            | crypto/rsa | ca: RSA PKCS#1 v1.5
internal/proxyproto     | hash/crc32 | no secret: finds a header that was damaged on its way
internal/retry          | math/rand/v2 | no secret: pauses
keys                    | crypto/aes crypto/cipher crypto/pbkdf2 | PBES2
keys                    | crypto/ecdsa crypto/elliptic crypto.SHA384 crypto.SHA512 | p384
keys                    | crypto/rsa | rsa3072
keys                    | crypto/rand | p256
keys                    | crypto/sha256 crypto.SHA256 | PBES2
keys                    | github.com/google/go-tpm | TPM 2.0
keys/pkcs11             | github.com/ThalesGroup/crypto11 | keys: p256
keys/pkcs11             | crypto/rand | no secret: the identifier of a key in its token
ocsp                    | crypto/rand | ECDSA P-
ocsp                    | crypto/sha1 crypto.SHA1 | SHA-1 (OCSP)
ocsp                    | crypto/sha256 crypto.SHA256 | SHA-256
ocsp                    | crypto/sha512 | SHA-512 (OCSP)
pki                     | crypto/ecdsa crypto/elliptic | ECDSA P-256
pki                     | crypto/rsa | RSA
pki                     | crypto.SHA1 | pki/revocation: SHA-1 (OCSP)
pki                     | crypto.SHA256 | SHA-256
pki/crl                 | crypto/sha256 | pki: SHA-256
pki/crl                 | hash/maphash | no secret: where a serial number is looked up in memory
pki/internal/certutil   | crypto/sha256 | pki: SHA-256
pki/revocation          | crypto/rand | crypto/rand
pki/revocation          | crypto/sha1 crypto.SHA1 | SHA-1 (OCSP)
pki/revocation          | crypto/sha256 crypto.SHA256 | SHA-256 (OCSP)
pki/revocation          | crypto/sha512 crypto.SHA384 crypto.SHA512 | SHA-512 (OCSP)
pki/rfc5280             | crypto/rsa | pki: RSA
pki/trust               | crypto/sha256 | pki: SHA-256
session                 | crypto/hmac crypto/sha256 | HMAC-SHA-256
session                 | crypto/rand | crypto/rand
internal/recipients     | filippo.io/age | ca/backup: age: ML-KEM-768
internal/signed | crypto/ecdsa crypto/elliptic crypto/rand | session/consent: ECDSA P-
internal/signed | crypto.SHA256 crypto.SHA384 | session/consent: ECDSA P-
internal/signed | crypto/rsa | session/ticket: RSA-PSS
session/incident        | crypto/rand | crypto/rand
session/proof           | crypto/ecdsa crypto/elliptic | ECDSA P-
session/proof           | crypto/rsa | RSA
session/proof           | crypto/sha256 crypto.SHA256 | SHA-256
tla/cardsign            | crypto/ecdsa | session/proof: ECDSA P-
tla/cardsign            | crypto/rsa crypto/rand | session/proof: RSA
tla/cardsign            | crypto/sha256 | session/proof: SHA-256
`)

// noSecret begins the row of what needs no cryptography; the reason follows.
const noSecret = "no secret: "

// table reads lines of the form "package | use use … | row".
func table(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		for what := range strings.FieldsSeq(cells[1]) {
			all[strings.TrimSpace(cells[0])+" "+what] = strings.TrimSpace(cells[2])
		}
	}
	return all
}

// TestG5NoUseIsUnlisted: each import that brings cryptography, and each hash, belongs to a row of `algorithms`.
func TestG5NoUseIsUnlisted(t *testing.T) {
	found := map[string]string{}
	for _, f := range sources(t) {
		for _, use := range cryptographyOf(f.syntax) {
			row := belongs[f.dir+" "+use]
			require.NotEmpty(t, row, "%s uses %s: Algorithms needs a row, and belongs needs a line", f.name, use)
			requireRow(t, f.dir, row)
			found[f.dir+" "+use] = row
		}
	}
	require.Equal(t, found, belongs, "belongs has what the source does not have")
}

func requireRow(t *testing.T, dir, row string) {
	t.Helper()
	if strings.HasPrefix(row, noSecret) {
		return
	}
	if place, name, ok := strings.Cut(row, ": "); ok && !strings.Contains(place, " ") && place != "age" {
		dir, row = place, name
	}
	require.True(t, slices.ContainsFunc(allAlgorithms().Uses, func(u algorithms.Use) bool {
		return u.Place == dir && strings.HasPrefix(u.Name, row)
	}), "%s: no row is named %s …", dir, row)
}

// source is a source file of a program; tests, and what only they use, are left out.
type source struct {
	name, dir string
	syntax    *ast.File
}

var testsOnly = regexp.MustCompile(`^(integration|.*/(testdata|[a-z]*test))(/|$)`)

func sources(t *testing.T) (all []source) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		dir := filepath.ToSlash(filepath.Dir(name))
		ours := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !testsOnly.MatchString(dir)
		if err != nil || d.IsDir() || !ours {
			return err
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		all = append(all, source{name, dir, syntax})
		return err
	}))
	require.Greater(t, len(all), 300)
	return all
}

var hashNames = regexp.MustCompile(`^(MD|SHA|RIPE|BLAKE)`)

// cryptographyOf returns the imports that bring cryptography, and the hashes by name.
func cryptographyOf(f *ast.File) (uses []string) {
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		if cryptography.MatchString(path) && !slices.Contains(neutral, path) {
			uses = append(uses, cmp.Or(modules.FindString(path), path))
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && fmt.Sprint(s.X) == "crypto" && hashNames.MatchString(s.Sel.Name) {
			uses = append(uses, "crypto."+s.Sel.Name)
		}
		return true
	})
	return uses
}

// identifiers are those of algorithms, as they are in the source: dotted, or DER in hexadecimal.
var identifiers = table(`
bundle         | 300b0609608648016503040201 300d06096086480165030402010500 300a06082a8648ce3d040302 | ECDSA P-256
bundle         | 300b0609608648016503040202 300d06096086480165030402020500 300a06082a8648ce3d040303 | ECDSA P-384
bundle         | 06092a864886f70d010108 06092a864886f70d01010a | RSA-PSS
ca/server      | 1.2.840.10045.2.1 1.2.840.10045.3.1.7 | keys: p256
internal/der   | 1.2.840.10045.4.3.2 1.2.840.10045.4.3.3 | pki: ECDSA-SHA
internal/der   | 1.2.840.113549.1.1.11 | pki: SHA256-RSA
internal/der   | 1.3.14.3.2.26 | pki/revocation: SHA-1 (OCSP)
internal/der   | 2.16.840.1.101.3.4.2.1 | pki/revocation: SHA-256 (OCSP)
internal/der   | 2.16.840.1.101.3.4.2.2 | pki/revocation: SHA-384 (OCSP)
internal/der   | 2.16.840.1.101.3.4.2.3 | pki/revocation: SHA-512 (OCSP)
keys           | 1.2.840.113549.1.5.13 1.2.840.113549.1.5.12 1.2.840.113549.2.9 2.16.840.1.101.3.4.1.42 | PBES2
pki/revocation | 1.2.840.10045.4.3.4 | pki: ECDSA-SHA512
pki/revocation | 1.2.840.113549.1.1.12 | pki: SHA384-RSA
pki/revocation | 1.2.840.113549.1.1.13 | pki: SHA512-RSA
pki/revocation | 1.2.840.10045.4.1 1.2.840.113549.1.1.5 | no secret: signatures with SHA-1, named to be refused
pki/revocation | 1.2.840.113549.1.1.10 1.2.840.113549.1.1.8 | pki: SHA256-RSAPSS
tla/cardsign   | 3031300d060960864801650304020105000420 | session/proof: SHA-256
`)

// TestG5NoIdentifierIsUnlisted: each object identifier in the source is that of a listed algorithm, or of something
// that is no algorithm.
func TestG5NoIdentifierIsUnlisted(t *testing.T) {
	found := map[string]string{}
	for _, f := range sources(t) {
		for _, id := range identifiersOf(f.syntax) {
			if noAlgorithm.MatchString(id) {
				continue
			}
			row := identifiers[f.dir+" "+id]
			require.NotEmpty(t, row, "%s has %s: an algorithm needs a row, and a line in identifiers", f.name, id)
			requireRow(t, f.dir, row)
			found[f.dir+" "+id] = row
		}
	}
	require.Equal(t, found, identifiers, "identifiers has what the source does not have")
}

// noAlgorithm matches identifiers of CMS content types, PKCS#9 attributes, attributes of names,
// certificate extensions, PKIX purposes and
// access methods, Microsoft's smart card logon, and a TPM's key file.
var noAlgorithm = regexp.MustCompile(`^(1\.2\.840\.113549\.1\.[79]|2\.5\.(4|29)|1\.3\.6\.1\.5\.5\.7|` +
	`1\.3\.6\.1\.4\.1\.311\.20\.2\.2|0\.9\.2342\.19200300\.100\.1|2\.23\.133\.10\.1\.3)(\.|$)`)

// algorithmDER matches the beginnings of identifiers of algorithms: ANSI X9.62, PKCS#1 and #5, RSA's digests, NIST,
// OIW, Certicom, and Ed25519.
var algorithmDER = regexp.MustCompile(`2a8648ce3d|2a864886f70d01(01|05)|2a864886f70d02|60864801650304|` +
	`2b0e0302|2b8104|2b6570`)

// identifiersOf returns the object identifiers that a file contains as literals.
func identifiersOf(f *ast.File) (ids []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			text, _ := strconv.Unquote(n.Value)
			text = strings.ReplaceAll(text, " ", "")
			if regexp.MustCompile(`^[012](\.\d+){3,}$`).MatchString(text) ||
				regexp.MustCompile(`^[0-9a-f]+$`).MatchString(text) && algorithmDER.MatchString(text) {
				ids = append(ids, text)
			}
		case *ast.CompositeLit:
			ids = append(ids, numbered(n)...)
		}
		return true
	})
	return ids
}

// numbered returns what a list of numbers may be: an identifier's arcs, or octets with one in them.
func numbered(c *ast.CompositeLit) []string {
	var dotted []string
	var octets string
	for _, e := range c.Elts {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.INT {
			return nil
		}
		n, err := strconv.ParseUint(lit.Value, 0, 64)
		if err != nil {
			return nil
		}
		dotted, octets = append(dotted, fmt.Sprint(n)), octets+fmt.Sprintf("%02x", n)
	}
	list, isList := c.Type.(*ast.ArrayType)
	switch {
	case algorithmDER.MatchString(octets):
		return []string{octets}
	case len(dotted) > 3 && strings.Contains("012", dotted[0]) && (!isList || fmt.Sprint(list.Elt) != "byte"):
		return []string{strings.Join(dotted, ".")}
	}
	return nil
}

// onlyReadsHellos is a file whose tls.Config stops every handshake once it has the name in the hello.
const onlyReadsHellos = "gateway/enrolment/sni.go"

// dialsByParty is a file whose net/http has its connections made by a trust.Party, or over a Unix socket.
const dialsByParty = "gateway/api/client/client.go"

// TestC2OnlyPkiConfiguresTLS: what a link may negotiate is decided below package pki, and nowhere else.
func TestC2OnlyPkiConfiguresTLS(t *testing.T) {
	for _, f := range sources(t) {
		if f.name == onlyReadsHellos || f.name == dialsByParty || below(f.dir, []string{"pki"}) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				name := fmt.Sprint(s.X) + "." + s.Sel.Name
				require.NotRegexp(t, ownTLS, name, "%s has a TLS of its own", f.name)
			}
			return true
		})
	}
}

// ownTLS matches what configures TLS, or does it by Go's defaults: net/http's clients for one, which besides ask the
// environment for a proxy.
var ownTLS = regexp.MustCompile(`^(tls\.(Config|Dial.*|Listen|NewListener|Client|Server)|` +
	`http\.(Client|Transport|Default(Client|Transport)|Get|Head|Post|PostForm|(ListenAnd)?ServeTLS))$`)

// notItsPart are packages that a program is linked with, but whose cryptography it does not use.
var notItsPart = map[string][]string{
	"tla-ocsp": {"bundle", "est", "session", "session/consent", "session/incident", "audit/host", "audit/persons",
		"internal/signed"},
	"tla-pki":     {"session", "session/consent", "session/incident", "audit/persons"},
	"tla-relay":   {"audit/persons"},
	"tla-gateway": {"session"},
}

// TestG5EachProgramListsItsPart: a program prints the uses of all the packages in it.
func TestG5EachProgramListsItsPart(t *testing.T) {
	hasList := map[string]bool{}
	for _, f := range sources(t) {
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && fn.Name.Name == "Algorithms" && len(fn.Type.Params.List) == 0 {
				hasList[f.dir] = true
			}
		}
	}
	require.Greater(t, len(hasList), 10)
	for _, program := range []string{"tla-relay", "tla-gateway", "tla-pdt", "tla-pki", "tla-ocsp"} {
		text, err := os.ReadFile("cmd/" + program + "/algorithms.go")
		require.NoError(t, err)
		out, err := exec.Command("go", "list", "-deps", "./cmd/"+program).Output()
		require.NoError(t, err)
		for dep := range strings.FieldsSeq(string(out)) {
			dir := strings.TrimPrefix(dep, "tlagate/")
			if dir != dep && hasList[dir] && !slices.Contains(notItsPart[program], dir) {
				part := filepath.Base(dir) + ".Algorithms()"
				require.Contains(t, string(text), part, "%s does not list %s", program, dir)
			}
		}
		require.Equal(t, program != "tla-ocsp", strings.Contains(string(text), "TLSAlgorithms()"), program)
	}
}

// TestG5ThePageIsTheList: docs/fr/cryptographie.md is equal to what the programs print; -update writes it.
func TestG5ThePageIsTheList(t *testing.T) {
	const page, from = "docs/fr/cryptographie.md", "<!-- liste -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	head, _, ok := strings.Cut(string(text), from)
	require.True(t, ok, "%s: the list begins after %s", page, from)
	want := head + from + "\n" + allAlgorithms().Markdown(algorithms.French)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "go test . -run G5ThePage -update writes it")
	for _, s := range algorithms.Sources {
		require.Contains(t, head, s.Title)
	}
}

// TestG5JSONHasEverything: programs can read in JSON what people read in the list.
func TestG5JSONHasEverything(t *testing.T) {
	all := allAlgorithms()
	text, err := all.JSON()
	require.NoError(t, err)
	var back struct {
		Algorithms []struct {
			Kind, Name, Package string
			Bits                int
			References          []string
		}
		Sources []algorithms.Source
	}
	require.NoError(t, json.Unmarshal(text, &back))
	require.Len(t, back.Algorithms, len(all.Uses))
	for i, u := range all.Uses {
		require.Equal(t, u.Name, back.Algorithms[i].Name)
		require.Equal(t, u.Place, back.Algorithms[i].Package)
		require.Equal(t, u.Bits, back.Algorithms[i].Bits)
		require.Equal(t, u.By, back.Algorithms[i].References)
	}
	require.Equal(t, algorithms.Sources, back.Sources)
}

// TestG5ListsFitATerminal: no line is wider than 100 columns, in either language.
func TestG5ListsFitATerminal(t *testing.T) {
	for _, l := range []algorithms.Language{algorithms.English, algorithms.French} {
		var out strings.Builder
		require.NoError(t, allAlgorithms().Print(&out, l))
		for line := range strings.Lines(out.String()) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 100, line)
		}
	}
}

package bundle_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/bundle"
	"tlagate/pki/pkitest"
)

func TestSP1BundleRoundTrip(t *testing.T) {
	b := newBed(t)
	for name, opt := range map[string]pkitest.Option{"P-256": pkitest.Template(func(*x509.Certificate) {}),
		"P-384": pkitest.P384(), "RSA-PSS": pkitest.RSA(3072)} {
		t.Run(name, func(t *testing.T) {
			b.ops = b.ca.Issue(opsURN, x509.ExtKeyUsageCodeSigning, opt)
			der := b.sign(b.content(7))
			got, err := bundle.Read(der)
			require.NoError(t, err)
			require.Equal(t, b.content(7).Gateways, got.Gateways)
			require.Equal(t, b.ops.Leaf.Raw, got.Chain[0].Raw)
		})
	}
}

// TestSP1NoOctetCanBeChanged: each flip of a bit is refused, or changes nothing of the meaning (an octet of a
// certificate that the signature does not need is for the chain to judge).
func TestSP1NoOctetCanBeChanged(t *testing.T) {
	b := newBed(t)
	der := b.sign(b.content(7))
	whole, err := bundle.Opened(der)
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		at, bit := random.IntN(len(der)), byte(1)<<random.IntN(8)
		spoilt := bytes.Clone(der)
		spoilt[at] ^= bit
		if content, err := bundle.Opened(spoilt); err == nil {
			require.Equal(t, whole, content, "octet %d", at)
		}
	}
	for n := range der {
		_, err := bundle.Read(der[:n])
		require.Error(t, err, "cut to %d octets", n)
	}
	_, err = bundle.Read(append(bytes.Clone(der), 0))
	require.Error(t, err, "an octet behind it")
}

// TestSP1SignedAttributes: contentType and messageDigest once each, signingTime or not, nothing twice.
func TestSP1SignedAttributes(t *testing.T) {
	b := newBed(t)
	for _, c := range []struct {
		good  bool
		which []int
	}{
		{true, []int{bundle.ContentType, bundle.SigningTime, bundle.MessageDigest}},
		{true, []int{bundle.ContentType, bundle.MessageDigest}},
		{false, []int{bundle.MessageDigest}},
		{false, []int{bundle.ContentType}},
		{false, []int{bundle.OtherType, bundle.MessageDigest}},
		{false, []int{bundle.ContentType, bundle.OtherType, bundle.MessageDigest}},
		{false, []int{bundle.ContentType, bundle.ContentType, bundle.MessageDigest}},
		{false, []int{bundle.ContentType, bundle.MessageDigest, bundle.MessageDigest}},
		{false, []int{bundle.ContentType, bundle.MessageDigest, bundle.SigningTime, bundle.SigningTime}},
	} {
		der, err := bundle.SealWith(contentText(t, b), &b.ops, c.which...)
		require.NoError(t, err)
		_, err = bundle.Read(der)
		require.Equal(t, c.good, err == nil, "%v: %v", c.which, err)
	}
}

// TestSP1TheTraceComesFirst: a change that cannot be recorded is not taken in, a start that cannot be recorded fails.
func TestSP1TheTraceComesFirst(t *testing.T) {
	b := newBed(t)
	k := b.first(5)
	b.deaf = os.ErrPermission
	_, err := k.Take(b.sign(b.content(6)), b.answers())
	require.ErrorIs(t, err, os.ErrPermission)
	require.EqualValues(t, 5, k.Version())
	_, err = b.start()
	require.ErrorIs(t, err, os.ErrPermission)
	b.deaf = nil
	_, err = b.start()
	require.NoError(t, err)
}

// TestSP1OpensslForms: what openssl makes in other forms is refused.
func TestSP1OpensslForms(t *testing.T) {
	b := newBed(t)
	text := contentText(t, b)
	content := filepath.Join(b.dir, "content.json")
	write(t, content, text)
	cert, key := pkitest.WriteCertificate(t, b.dir, "ops", b.ops)
	rsaCert, rsaKey := pkitest.WriteCertificate(t, b.dir, "rsa",
		b.ca.Issue(opsURN, x509.ExtKeyUsageCodeSigning, pkitest.RSA(3072)))
	issuing := filepath.Join(b.dir, "issuing.pem")
	pkitest.WriteCertificates(t, issuing, b.ca.Issuing.Cert)
	plain := []string{"-binary", "-nodetach", "-nosmimecap", "-outform", "DER", "-certfile", issuing}
	one, other := []string{"-signer", cert, "-inkey", key}, []string{"-signer", rsaCert, "-inkey", rsaKey}
	pss := []string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"}
	for _, c := range []struct {
		name string
		good bool
		args [][]string
	}{
		{"as the document says", true, [][]string{plain, one, {"-md", "sha256"}}},
		{"SHA-384", true, [][]string{plain, one, {"-md", "sha384"}}},
		{"RSA-PSS", true, [][]string{plain, other, {"-md", "sha256"}, pss}},
		{"RSA PKCS #1 v1.5", false, [][]string{plain, other, {"-md", "sha256"}}},
		{"SHA-512", false, [][]string{plain, one, {"-md", "sha512"}}},
		{"SHA-1", false, [][]string{plain, one, {"-md", "sha1"}}},
		{"no signed attributes", false, [][]string{plain, one, {"-md", "sha256", "-noattr"}}},
		{"other signed attributes", false, [][]string{{"-binary", "-nodetach", "-outform", "DER"}, one,
			{"-md", "sha256"}}},
		{"detached", false, [][]string{{"-binary", "-nosmimecap", "-outform", "DER"}, one, {"-md", "sha256"}}},
		{"two signers", false, [][]string{plain, one, other, {"-md", "sha256"}}},
		{"by key identifier", false, [][]string{plain, one, {"-md", "sha256", "-keyid"}}},
		{"without certificates", false, [][]string{plain, one, {"-md", "sha256", "-nocerts"}}},
		{"another content type", false, [][]string{plain, one, {"-md", "sha256", "-econtent_type", "1.2.3.4"}}},
		{"streamed (BER)", false, [][]string{plain, one, {"-md", "sha256", "-stream"}}},
		{"PEM", false, [][]string{plain, one, {"-md", "sha256", "-outform", "PEM"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(b.dir, "out.p7m")
			args := []string{"cms", "-sign", "-in", content, "-out", out}
			for _, more := range c.args {
				args = append(args, more...)
			}
			require.NoError(t, os.RemoveAll(out))
			run(t, "openssl", args...)
			got, err := bundle.Read(read(t, out))
			if !c.good {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.EqualValues(t, 7, got.Version)
		})
	}
}

// TestSP1AuditorReadsIt: openssl shows content and signer, and sees an alteration.
func TestSP1AuditorReadsIt(t *testing.T) {
	b := newBed(t)
	file := filepath.Join(b.dir, "x.p7m")
	der := b.sign(b.content(7))
	write(t, file, der)
	args := []string{"cms", "-verify", "-inform", "DER", "-in", file, "-CAfile", b.root, "-purpose", "any"}
	out := run(t, "openssl", args...)
	require.Contains(t, out, `"version": 7`)
	write(t, file, bytes.Replace(der, []byte(`"version": 7`), []byte(`"version": 9`), 1))
	failed, err := exec.Command("openssl", args...).CombinedOutput()
	require.Error(t, err, "%s", failed)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), "%s %s\n%s", name, strings.Join(args, " "), errs.String())
	return out.String()
}

func contentText(t *testing.T, b *bed) []byte {
	text, err := bundle.Opened(b.sign(b.content(7)))
	require.NoError(t, err)
	return text
}

// TestSP1ContentIsStrict: each line breaks one rule of docs/bundle.md, section 1.
func TestSP1ContentIsStrict(t *testing.T) {
	b := newBed(t)
	text := string(contentText(t, b))
	_, err := bundle.ParseContent([]byte(text))
	require.NoError(t, err)
	for name, c := range map[string][2]string{
		"unknown member":    {`"format": 1`, `"format": 1, "formatt": 1`},
		"repeated member":   {`"format": 1`, `"format": 1, "format": 1`},
		"another case":      {`"format": 1`, `"Format": 1`},
		"repeated below":    {`"cards":[]`, `"cards":[],"cards":[]`},
		"format":            {`"format": 1`, `"format": 2`},
		"version 0":         {`"version": 7`, `"version": 0`},
		"version negative":  {`"version": 7`, `"version": -7`},
		"version huge":      {`"version": 7`, `"version": 9007199254740992`},
		"version a string":  {`"version": 7`, `"version": "7"`},
		"min above version": {`"version": 7`, `"version": 7, "min_version": 8`},
		"nobody's":          {`"for": "` + tlaURN, `"for": "urn:tlagate:cabinet:gateway:g`},
		"everybody's":       {`"for": "` + tlaURN, `"for": "urn:tlagate:*:tla:*`},
		"no date":           {`"issued": "`, `"issued": "x`},
		"gateway":           {`gw.example.invalid:8443`, `gw.example.invalid`},
		"pdt":               {`:pdt:bureau`, `:tla:bureau`},
		"access in a TLA's": {`"format": 1`, `"format": 1, "access": {"practices": ["cab"]}`},
		"user in a TLA's":   {`"format": 1`, `"format": 1, "user": {"mode": "tell"}`},
		"anchor":            {`-----BEGIN CERTIFICATE`, `-----BEGIN CERTIFICATF`},
		"anchor's practice": {`"practices": [` + "\n        \"*\"", `"practices": [` + "\n        \"a b\""},
		"ARL":               {`-----BEGIN X509 CRL`, `x-----BEGIN X509 CRL`},
		"limit":             {`"absolute": "8h0m0s"`, `"absolute": "13h"`},
		"limit negative":    {`"absolute": "8h0m0s"`, `"absolute": "-1h"`},
		"policy":            {`{"cards":[]}`, `[]`},
		"a second value":    {"\x7d\n", "}{}"},
	} {
		t.Run(name, func(t *testing.T) {
			spoilt := strings.Replace(strings.ReplaceAll(text, ` `+"\x00", ""), c[0], c[1], 1)
			if name == "repeated below" || name == "policy" {
				spoilt = replacePolicy(text, c[1])
			}
			if name == "a second value" {
				spoilt = text + "{}"
			}
			require.NotEqual(t, text, spoilt, "the test spoils nothing")
			_, err := bundle.ParseContent([]byte(spoilt))
			require.Error(t, err)
		})
	}
}

// replacePolicy puts other JSON in the place of the policy, which is the last member.
func replacePolicy(text, with string) string {
	if !strings.HasPrefix(with, "[") {
		with = "{" + with + "}"
	}
	return text[:strings.Index(text, `"policy"`)] + `"policy": ` + with + "}"
}

func TestSP1Signers(t *testing.T) {
	b := newBed(t)
	b.cfg.ARL = ""
	stranger := pkitest.New(t)
	for _, c := range []struct {
		name string
		ops  tls.Certificate
		why  bundle.Reason
	}{
		{"good", b.ops, ""},
		{"client of role admin", b.ca.Issue(opsURN, x509.ExtKeyUsageClientAuth), bundle.Untrusted},
		{"codeSigning of a TLA", b.ca.Issue(tlaURN, x509.ExtKeyUsageCodeSigning), bundle.Untrusted},
		{"any usage besides", b.ca.Issue(opsURN, x509.ExtKeyUsageCodeSigning, pkitest.AnyEKU()), bundle.Untrusted},
		{"expired", b.ca.Issue(opsURN, x509.ExtKeyUsageCodeSigning, pkitest.Expired()), bundle.Untrusted},
		{"of a stranger", stranger.Issue(opsURN, x509.ExtKeyUsageCodeSigning), bundle.Untrusted},
		{"self-signed", b.ca.Issue(opsURN, x509.ExtKeyUsageCodeSigning, pkitest.SelfSigned()), bundle.Untrusted},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.cfg.File = filepath.Join(t.TempDir(), "bundle.p7m")
			k, err := bundle.Prepare(b.cfg)
			require.NoError(t, err)
			der, err := bundle.Seal(contentText(t, b), &c.ops, time.Now())
			require.NoError(t, err)
			_, err = k.Take(der, [][]byte{b.ca.Issuing.OCSP(c.ops.Leaf)})
			if c.why == "" {
				require.NoError(t, err)
				return
			}
			brokenAt(t, err, "the bundle offered", c.why)
			_, err = os.Stat(b.cfg.File)
			require.ErrorIs(t, err, os.ErrNotExist)
			_, err = bundle.Sign(b.content(1), &c.ops, time.Now())
			require.Equal(t, c.name == "of a stranger" || c.name == "self-signed", err == nil,
				"the signer is told, where its certificate says it")
		})
	}
}

// TestC2BundleCertificateOpensNoLink: what signs bundles is no client and no server.
func TestC2BundleCertificateOpensNoLink(t *testing.T) {
	b := newBed(t)
	files := b.ca.WriteTrust(t.TempDir())
	trust := openTrust(t, files)
	_, err := trust.Verify(pkitest.Chain(b.ops), bundle.Want)
	require.NoError(t, err)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		w := bundle.Want
		w.Usage = usage
		_, err := trust.Verify(pkitest.Chain(b.ops), w)
		require.Error(t, err)
	}
}

// TestSP1TakingInFailsClosed: without a good word about the signer and its CA nothing is taken in.
func TestSP1TakingInFailsClosed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bed, *bundle.Content) [][]byte
		why    bundle.Reason
	}{
		{"no OCSP answer", func(b *bed, _ *bundle.Content) [][]byte { return nil }, bundle.Untrusted},
		{"no ARL", func(b *bed, c *bundle.Content) [][]byte { c.ARLs = nil; return b.answers() }, bundle.Untrusted},
		{"revoked", func(b *bed, _ *bundle.Content) [][]byte { b.ca.Issuing.Revoke(b.ops.Leaf); return b.answers() },
			bundle.Revoked},
		{"CA revoked", func(b *bed, c *bundle.Content) [][]byte {
			b.ca.Root.Revoke(b.ca.Issuing.Cert)
			c.ARLs = []string{b.arl()}
			return b.answers()
		}, bundle.Revoked},
		{"another's", func(b *bed, c *bundle.Content) [][]byte { c.For = otherURN; return b.answers() },
			bundle.WrongDevice},
		{"of the future",
			func(b *bed,
				c *bundle.Content) [][]byte {
				c.Issued = time.Now().Add(time.Hour)
				return b.answers()
			}, bundle.Untrusted},
		{"over", func(b *bed, c *bundle.Content) [][]byte {
			c.Issued, c.ValidUntil = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
			return b.answers()
		}, bundle.Expired},
		{"for all of the practice",
			func(b *bed, c *bundle.Content) [][]byte { c.For = "urn:tlagate:cabinet:tla:*"; return b.answers() }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			content := b.content(1)
			answers := c.change(b, content)
			k, err := bundle.Prepare(b.cfg)
			require.NoError(t, err)
			_, err = k.Take(b.sign(content), answers)
			if c.why == "" {
				require.NoError(t, err)
				return
			}
			brokenAt(t, err, "the bundle offered", c.why)
			require.Zero(t, k.Version())
			require.Equal(t, bundle.Refused, b.events[len(b.events)-1].Action)
			_, err = b.start()
			brokenAt(t, err, b.cfg.File, bundle.Missing)
		})
	}
}

// TestSP1VersionsRise: neither a lower one, nor another of the same, in a running program nor after a restart.
func TestSP1VersionsRise(t *testing.T) {
	b := newBed(t)
	old := b.sign(b.content(4))
	k := b.first(5)
	for _, k := range []func() *bundle.Kept{func() *bundle.Kept { return k }, func() *bundle.Kept {
		k, err := b.start()
		require.NoError(t, err)
		return k
	}} {
		_, err := k().Take(old, b.answers())
		brokenAt(t, err, "the bundle offered", bundle.Outdated)
		other := b.content(5)
		other.Gateways = []string{"else.example.invalid:1"}
		_, err = k().Take(b.sign(other), b.answers())
		brokenAt(t, err, "the bundle offered", bundle.Outdated)
	}
	changed, err := k.Take(read(t, b.cfg.File), b.answers())
	require.NoError(t, err)
	require.False(t, changed)
	changed, err = k.Take(b.sign(b.content(6)), b.answers())
	require.NoError(t, err)
	require.True(t, changed)
	again, err := b.start()
	require.NoError(t, err)
	require.EqualValues(t, 6, again.Version())
}

// TestSP1SealedFiles: any alteration of a sealed file stops the next start, with a sentence that names it.
func TestSP1SealedFiles(t *testing.T) {
	flip := func(file string, at int) func(*testing.T, *bed) {
		return func(t *testing.T, b *bed) {
			data := read(t, b.path(file))
			data[(at*len(data))/100] ^= 1
			write(t, b.path(file), data)
		}
	}
	remove := func(file string) func(*testing.T, *bed) {
		return func(t *testing.T, b *bed) { require.NoError(t, os.Remove(b.path(file))) }
	}
	for _, c := range []struct {
		name   string
		change func(*testing.T, *bed)
		file   string
		why    bundle.Reason
	}{
		{"nothing", func(*testing.T, *bed) {}, "", ""},
		{"bundle, an octet", flip("bundle.p7m", 40), "bundle.p7m", bundle.Altered},
		{"bundle, missing", remove("bundle.p7m"), "bundle.p7m", bundle.Missing},
		{"bundle, an older one", func(t *testing.T, b *bed) { write(t, b.cfg.File, b.sign(b.content(4))) },
			"bundle.p7m", bundle.Outdated},
		{"bundle, a newer one", func(t *testing.T, b *bed) { write(t, b.cfg.File, b.sign(b.content(6))) }, "bundle.p7m",
			bundle.Altered},
		{"state, an octet at 30 %", flip("bundle.p7m.state", 30), "bundle.p7m.state", bundle.Altered},
		{"state, an octet at 8 %", flip("bundle.p7m.state", 8), "bundle.p7m.state", bundle.Altered},
		{"state, an octet at 98 %", flip("bundle.p7m.state", 98), "bundle.p7m.state", bundle.Altered},
		{"state, missing", remove("bundle.p7m.state"), "bundle.p7m.state", bundle.Missing},
		{"state, of another key", func(t *testing.T, b *bed) {
			other := newBed(t)
			other.root, other.cfg.Anchors = b.root, b.cfg.Anchors
			write(t, b.cfg.File+".state", forged(t, b))
		}, "bundle.p7m.state", bundle.Altered},
		{"both missing", func(t *testing.T, b *bed) { remove("bundle.p7m")(t, b); remove("bundle.p7m.state")(t, b) },
			"bundle.p7m", bundle.Missing},
		{"root, an octet", flip("root.pem", 50), "root.pem", bundle.Altered},
		{"root, another", func(t *testing.T, b *bed) { pkitest.WriteCertificates(t, b.root, pkitest.New(t).Root.Cert) },
			"root.pem", bundle.Altered},
		{"root, missing", remove("root.pem"), "root.pem", bundle.Missing},
		{"ARL, good", func(t *testing.T, b *bed) { write(t, b.cfg.ARL, []byte(b.arl())) }, "", ""},
		{"ARL, an octet", func(t *testing.T, b *bed) {
			write(t, b.cfg.ARL, []byte(b.arl()))
			flip("arl.pem", 60)(t,
				b)
		}, "arl.pem", bundle.Altered},
		{"ARL, its frame", func(t *testing.T, b *bed) {
			write(t, b.cfg.ARL, []byte(b.arl()))
			flip("arl.pem", 2)(t,
				b)
		}, "arl.pem", bundle.Altered},
		{"ARL, of a stranger", func(t *testing.T, b *bed) { write(t, b.cfg.ARL, []byte(newBed(t).arl())) }, "arl.pem",
			bundle.Altered},
		{"ARL, empty", func(t *testing.T, b *bed) { write(t, b.cfg.ARL, nil) }, "arl.pem", bundle.Altered},
		{"leftover of a write", func(t *testing.T, b *bed) { write(t, b.cfg.File+".next", b.sign(b.content(9))) }, "",
			""},
		{"power cut before the bundle was in its place", func(t *testing.T, b *bed) {
			require.NoError(t, os.Rename(b.cfg.File, b.cfg.File+".next"))
			write(t, b.cfg.File, b.sign(b.content(4)))
		}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.first(5)
			c.change(t, b)
			b.events = nil
			k, err := b.start()
			if c.why == "" {
				require.NoError(t, err)
				require.EqualValues(t, 5, k.Version())
				require.Equal(t, bundle.Loaded, b.events[0].Action)
				return
			}
			brokenAt(t, err, b.path(c.file), c.why)
			require.Equal(t, bundle.Ended, b.events[0].Action, "it leaves a trace")
		})
	}
}

func (b *bed) path(file string) string { return filepath.Join(b.dir, file) }

// forged is a state that says what is wished, with the key of another device of the same PKI.
func forged(t *testing.T, b *bed) []byte {
	thief := b.ca.Issue(otherURN, x509.ExtKeyUsageClientAuth)
	text, err := bundle.Opened(read(t, b.cfg.File+".state"))
	require.NoError(t, err)
	der, err := bundle.Seal(bytes.Replace(text, []byte(`"version":5`), []byte(`"version":1`), 1), &thief, time.Now())
	require.NoError(t, err)
	return der
}

// TestSP1StateOutlivesTheKey: a renewed certificate, or an ended one, does not make the state of before unreadable.
func TestSP1StateOutlivesTheKey(t *testing.T) {
	b := newBed(t)
	b.first(5)
	b.device = b.ca.Issue(tlaURN, x509.ExtKeyUsageClientAuth)
	b.cfg.Clock = func() time.Time { return time.Now().Add(2 * 365 * 24 * time.Hour) } // both signers have ended
	k, err := b.start()
	require.NoError(t, err)
	require.EqualValues(t, 5, k.Version())
}

// TestSP1RevokedSigner: an answer of today that revokes ends the trust, for good, and a new bundle brings it back.
func TestSP1RevokedSigner(t *testing.T) {
	b := newBed(t)
	k := b.first(5)
	require.NoError(t, k.Recheck(b.answers()))
	require.NoError(t, k.Recheck(nil), "a gateway that is silent changes nothing")
	b.ca.Issuing.Revoke(b.ops.Leaf)
	brokenAt(t, k.Recheck(b.answers()), b.cfg.File, bundle.Revoked)
	brokenAt(t, k.Usable(), b.cfg.File, bundle.Revoked)
	_, err := b.start()
	brokenAt(t, err, b.cfg.File, bundle.Revoked)
	b.ops = b.ca.Issue(opsURN, x509.ExtKeyUsageCodeSigning)
	changed, err := k.Take(b.sign(b.content(6)), b.answers())
	require.NoError(t, err)
	require.True(t, changed)
	require.NoError(t, k.Usable())
	_, err = b.start()
	require.NoError(t, err)
}

// TestSP1DenyListAtTheStart: what is at hand and revokes counts, without any connection.
func TestSP1DenyListAtTheStart(t *testing.T) {
	b := newBed(t)
	b.cfg.DenyList = b.path("denied")
	write(t, b.cfg.DenyList, nil)
	b.first(5)
	_, err := b.start()
	require.NoError(t, err)
	write(t, b.cfg.DenyList, []byte(opsURN+"\n"))
	_, err = b.start()
	brokenAt(t, err, b.cfg.File, bundle.Revoked)
}

func TestSP1ValidUntil(t *testing.T) {
	b := newBed(t)
	c := b.content(5)
	c.ValidUntil = time.Now().Add(time.Hour)
	k, err := bundle.Prepare(b.cfg)
	require.NoError(t, err)
	_, err = k.Take(b.sign(c), b.answers())
	require.NoError(t, err)
	_, err = b.start()
	require.NoError(t, err)
	b.cfg.Clock = func() time.Time { return time.Now().Add(2 * time.Hour) }
	_, err = b.start()
	brokenAt(t, err, b.cfg.File, bundle.Expired)
	b.cfg.Clock = func() time.Time { return time.Now().Add(11 * 365 * 24 * time.Hour) }
	_, err = b.start()
	brokenAt(t, err, b.root, bundle.Expired)
}

// FuzzRead: nothing makes the parser panic, and what it takes has a good signature over that content.
func FuzzRead(f *testing.F) {
	b := newBed(f)
	der := b.sign(b.content(7))
	f.Add(der)
	f.Add(der[:len(der)/2])
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := bundle.Read(data)
		if err == nil && !bytes.Equal(got.Chain[0].Raw, b.ops.Leaf.Raw) {
			t.Log("somebody else's signature")
		}
	})
}

// FuzzContent: what is taken is taken again when it is written.
func FuzzContent(f *testing.F) {
	b := newBed(f)
	text, err := bundle.Opened(b.sign(b.content(7)))
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := bundle.ParseContent(data)
		if err != nil {
			return
		}
		der, err := bundle.Sign(c, &b.ops, time.Now())
		require.NoError(t, err)
		again, err := bundle.Opened(der)
		require.NoError(t, err)
		_, err = bundle.ParseContent(again)
		require.NoError(t, err)
	})
}

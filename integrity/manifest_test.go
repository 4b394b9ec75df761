package integrity_test

import (
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/bundle"
	"tlagate/integrity"
	"tlagate/pki/pkitest"
)

// TestDL3AManifestThatIsNotTakenDiffers: unsigned, foreign, expired, revoked, older, too large, no manifest at all.
func TestDL3AManifestThatIsNotTakenDiffers(t *testing.T) {
	stranger := pkitest.NewNamed(t, "TEST stranger")
	for _, c := range []struct {
		name   string
		change func(b *bed)
		why    integrity.Why
		says   string
	}{
		{"missing", func(b *bed) { remove(b, place) }, integrity.Missing, "there is no manifest"},
		{"unsigned", func(b *bed) {
			raw, err := json.Marshal(b.manifest(2))
			require.NoError(t, err)
			b.write(place, string(raw))
		}, integrity.Why(bundle.Altered), "it is no signed manifest"},
		{"garbage", func(b *bed) { b.write(place, "garbage") }, integrity.Why(bundle.Altered),
			"it is no signed manifest"},
		{"empty", func(b *bed) { b.write(place, "") }, integrity.Why(bundle.Altered), "it is no signed manifest"},
		{"too large", func(b *bed) { b.write(place, strings.Repeat("x", bundle.MaxSigned+1)) }, integrity.Unreadable,
			"larger"},
		{"an octet changed", func(b *bed) {
			b.write(place, strings.Replace(string(b.sign(b.manifest(2))), "tla-relay.service", "tla-relay.servicE", 1))
		}, integrity.Why(bundle.Altered), "not what was signed"},
		{"a bundle", func(b *bed) {
			der, err := bundle.SignContent([]byte(`{"format": 1, "version": 7}`), &b.ops, time.Now())
			require.NoError(t, err)
			b.write(place, string(der))
		}, integrity.Why(bundle.Altered), "no manifest"},
		{"foreign signer", func(b *bed) {
			b.ops = stranger.Issue(opsURN, x509.ExtKeyUsageCodeSigning)
			b.install(b.manifest(6))
		}, integrity.Why(bundle.Untrusted), "its signer is not accepted"},
		{"older", func(b *bed) { b.install(b.manifest(4)) }, integrity.Why(bundle.Outdated), "5 was taken before"},
		{"another of the same number", func(b *bed) { b.install(b.manifest(5)) }, integrity.Why(bundle.Outdated),
			"another one of the number 5"},
		{"another name", func(b *bed) {
			m := b.manifest(6)
			m.Name = "tla-pdt"
			b.install(m)
		}, integrity.OtherName, `it is "tla-pdt", and was "tla-relay"`},
		{"past its end", func(b *bed) {
			m := b.manifest(6)
			m.Made, m.ValidUntil = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
			b.install(m)
		}, integrity.Why(bundle.Expired), "it was valid until"},
		{"made tomorrow", func(b *bed) {
			m := b.manifest(6)
			m.Made = time.Now().Add(24 * time.Hour)
			b.install(m)
		}, integrity.Why(bundle.Untrusted), "yet to come"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			whole := b.sign(b.manifest(5))
			b.write(place, string(whole))
			b.whole()
			c.change(b)
			require.Contains(t, b.differs(place, c.why).Found, c.says)
			b.write(place, string(whole))
			require.Contains(t, b.whole()[0], "integrity.restored count=1 names="+place)
		})
	}
}

// TestDL3SignersAreJudged: by role and usage, dates and revocation; a signer whose certificate has ended since the
// manifest was taken is still good, and one that is revoked since is not.
func TestDL3SignersAreJudged(t *testing.T) {
	t.Run("expired", func(t *testing.T) {
		b := newBed(t)
		b.whole()
		whole := b.sign(b.manifest(2))
		b.write(place, string(whole))
		b.cfg.Clock = func() time.Time { return b.ops.Leaf.NotAfter.Add(time.Hour) }
		require.Contains(t, b.differs(place, integrity.Why(bundle.Untrusted)).Found, "expired")
	})
	t.Run("ended since", func(t *testing.T) {
		b := newBed(t)
		b.whole()
		b.cfg.Clock = func() time.Time { return b.ops.Leaf.NotAfter.Add(time.Hour) }
		b.whole()
	})
	t.Run("revoked since", func(t *testing.T) {
		b := newBed(t)
		b.whole()
		file := b.at("/crl.pem")
		b.write("/crl.pem", pemOf("X509 CRL", b.ca.Issuing.CRL(pkitest.CRLEntriesOf(b.ops.Leaf.SerialNumber, 1))))
		b.sees.CRLs = []string{file}
		b.differs(place, integrity.Why(bundle.Revoked))
	})
	for name, sign := range map[string]func(ca *pkitest.PKI) (urn string, usage x509.ExtKeyUsage){
		"a terminal": func(*pkitest.PKI) (string, x509.ExtKeyUsage) {
			return "urn:tlagate:cabinet:tla:valise", x509.ExtKeyUsageClientAuth
		},
		"an officer's certificate": func(*pkitest.PKI) (string, x509.ExtKeyUsage) {
			return opsURN, x509.ExtKeyUsageClientAuth
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			urn, usage := sign(b.ca)
			b.ops = b.ca.Issue(urn, usage)
			_, err := integrity.Sign(b.manifest(2), &b.ops, time.Now())
			require.ErrorContains(t, err, "none of the profile bundle")
		})
	}
}

// TestDL3AnUpgradeBringsItsManifest: files and manifest change together, and that is recorded, and is no difference.
func TestDL3AnUpgradeBringsItsManifest(t *testing.T) {
	b := newBed(t)
	b.whole()
	b.write(program, "the next program")
	b.differs(program, integrity.Changed)
	b.install(b.manifest(2))
	lines := b.whole()
	require.Contains(t, lines[0], "integrity.manifest file="+place)
	require.Contains(t, lines[1], "integrity.restored")
}

// TestDL3TheSameSignedAnewIsTaken, by another signer too.
func TestDL3TheSameSignedAnewIsTaken(t *testing.T) {
	b := newBed(t)
	m := b.manifest(2)
	b.install(m)
	b.whole()
	b.ops = b.ca.Issue("urn:tlagate:operateur:admin:other", x509.ExtKeyUsageCodeSigning)
	b.install(m)
	require.Contains(t, b.whole()[0], "integrity.manifest file="+place)
}

// TestDL3WhatNoManifestSays: the parser is strict.
func TestDL3WhatNoManifestSays(t *testing.T) {
	b := newBed(t)
	good := `{"manifest":1,"name":"a","number":1,"made":"2026-01-02T03:04:05Z","files":[{"path":"/a","kind":"absent"}]}`
	read := func(text string) error {
		der, err := bundle.SignContent([]byte(text), &b.ops, time.Now())
		require.NoError(t, err)
		_, err = integrity.Read(der)
		return err
	}
	require.NoError(t, read(good))
	for _, c := range [][2]string{
		{`"manifest":1`, `"manifest":2`}, {`"manifest":1`, `"Manifest":1`}, {`"name":"a"`, `"name":"A/.."`},
		{`"number":1`, `"number":0`}, {`"number":1`, `"number":1,"number":2`}, {`"number":1`, `"number":9007199254740992`},
		{`"number":1`, `"number":1,"more":2`}, {`"made":"2026-01-02T03:04:05Z",`, ``},
		{`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05Z","valid_until":"2026-01-01T00:00:00Z"`},
		{`[{"path":"/a","kind":"absent"}]`, `[]`}, {`"/a"`, `"a"`}, {`"/a"`, `"/a/../b"`}, {`"/a"`, `"/a\u001b"`},
		{`"absent"`, `"device"`}, {`"absent"`, `"absent","mode":"0644"`}, {`"absent"`, `"file"`},
		{`"absent"`, `"file","sha256":"00"`}, {`"absent"`, `"link"`}, {`"absent"`, `"directory","mode":"755"`},
		{`"absent"`, `"directory","owner":"root"`}, {`{"path":"/a","kind":"absent"}`,
			`{"path":"/a","kind":"absent"},{"path":"/a","kind":"absent"}`},
		{`{"path":"/a","kind":"absent"}`, `{"path":"/b","kind":"absent"},{"path":"/a","kind":"absent"}`},
		{`]}`, `]} {}`},
	} {
		text := strings.Replace(good, c[0], c[1], 1)
		require.NotEqual(t, good, text)
		require.Error(t, read(text), text)
	}
}

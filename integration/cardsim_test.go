package integration

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// patience bounds every wait for a program.
const patience = world.Patience

// startPCSCD starts a pcscd with one pair of slots, NAME 00 00 and NAME 00 01.
func startPCSCD(t testing.TB, name string) *world.PCSCD {
	t.Helper()
	p, err := world.StartPCSCD(world.PCSCDConfig{Readers: []world.Reader{{Name: name}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// insert puts card into slot 0 or 1 and waits until PC/SC programs see it.
func insert(t *testing.T, p *world.PCSCD, slot int, card cardsim.Card) *cardsim.Slot {
	t.Helper()
	s := cardsim.NewSlot(p.Readers[0].Slot(slot))
	require.NoError(t, s.Insert(card))
	t.Cleanup(s.Remove)
	waitCard(t, p, slot, true)
	return s
}

func waitCard(t *testing.T, p *world.PCSCD, slot int, present bool) {
	t.Helper()
	require.NoError(t, world.Poll(patience, "the card to be seen or gone", func() error {
		out, err := world.Run(patience, p.Env(), "opensc-tool", "-l")
		if err != nil {
			return err
		}
		if got, known := readers(out)[slotName(p, slot)]; !known || got != present {
			return fmt.Errorf("readers are:\n%s", out)
		}
		return nil
	}))
}

func slotName(p *world.PCSCD, slot int) string { return lab.SlotName(p, slot) }

// readers reads the output of `opensc-tool -l`: the names of the readers, and whether each has a card.
func readers(list string) map[string]bool {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +(Yes|No) +(?:PIN pad)? *(\S.*?)\s*$`).FindAllStringSubmatch(list,
		-1) {
		found[m[2]] = m[1] == "Yes"
	}
	return found
}

// tool runs a PC/SC program on p's pcscd and returns its output.
func tool(t *testing.T, p *world.PCSCD, name string, args ...string) string {
	t.Helper()
	out, err := world.Run(patience, p.Env(), name, args...)
	require.NoError(t, err)
	return out
}

// send sends commands in one run of opensc-tool, which resets the card first, and returns the responses in upper-case
// hex.
func send(t *testing.T, p *world.PCSCD, slot int, commands ...string) []string {
	t.Helper()
	args := []string{"--reader", slotName(p, slot), "--card-driver", "default"}
	for _, c := range commands {
		args = append(args, "-s", c)
	}
	return lab.Responses(tool(t, p, "opensc-tool", args...))
}

func newCPS(t *testing.T) *cardsim.CPS {
	t.Helper()
	c, err := cardsim.NewCPS(cardsim.CPSConfig{})
	require.NoError(t, err)
	return c
}

func TestVitaleOnRealReader(t *testing.T) {
	t.Parallel()
	p := startPCSCD(t, "terminal")
	v := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000042"})
	slot := insert(t, p, 0, v)

	require.Equal(t, map[string]bool{"terminal 00 00": true, "terminal 00 01": false},
		readers(tool(t, p, "opensc-tool", "-l")))
	atr := tool(t, p, "opensc-tool", "--reader", "terminal 00 00", "-a")
	require.Equal(t, fmt.Sprintf("%x", v.ATR()), strings.ReplaceAll(strings.TrimSpace(atr), ":", ""))

	content := v.Content(cardsim.AIDVitale, 0xD001)
	before := v.Counts()
	got := send(t, p, 0, "00A404000B"+cardsim.AIDVitale, "00C0000013", "00A4000002D001", "00B0000020", "00B0002020",
		"00B0080001", "00B007F820")
	require.Equal(t, []string{"9000", "6F118302D000840B" + cardsim.AIDVitale + "9000", "9000",
		fmt.Sprintf("%X9000", content[:32]),
		fmt.Sprintf("%X9000", content[32:64]), "6B00", fmt.Sprintf("%X9000", content[2040:])}, got)
	require.Equal(t, []uint16{0x6113, 0x9000, 0x610D, 0x9000, 0x9000, 0x6B00, 0x6C08, 0x9000},
		statuses(v.History()[before.Commands:]), "61xx and 6Cxx are the program's business, each command came once")
	require.Positive(t, v.Counts().PowerOns)

	slot.Remove()
	waitCard(t, p, 0, false)
}

func statuses(history []cardsim.Exchange) []uint16 {
	var all []uint16
	for _, e := range history {
		all = append(all, e.Status)
	}
	return all
}

func TestTwoPCSCDAtOnce(t *testing.T) {
	t.Parallel()
	tla, pdt := startPCSCD(t, "terminal"), startPCSCD(t, "tlagate")
	one := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000001"})
	two := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000002"})
	insert(t, tla, 0, one)
	insert(t, pdt, 1, two)

	const readSerial = "00B0820030"
	first := send(t, tla, 0, readSerial)
	second := send(t, pdt, 1, readSerial)
	require.Equal(t, []string{fmt.Sprintf("%X9000", one.Content(cardsim.AIDVitaleMF, 0x2F02))}, first)
	require.Equal(t, []string{fmt.Sprintf("%X9000", two.Content(cardsim.AIDVitaleMF, 0x2F02))}, second)
	require.NotEqual(t, first, second)
	require.NotContains(t, readers(tool(t, tla, "opensc-tool", "-l")), "tlagate 00 00")
}

func TestPCSCDWithTwoPairs(t *testing.T) {
	t.Parallel()
	p, err := world.StartPCSCD(world.PCSCDConfig{Readers: []world.Reader{{Name: "first"}, {Name: "second"}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	for i := range 2 {
		s := cardsim.NewSlot(p.Readers[i].Slot(1))
		require.NoError(t, s.Insert(cardsim.NewVitale(cardsim.VitaleConfig{})))
		t.Cleanup(s.Remove)
	}
	want := map[string]bool{"first 00 00": false, "first 00 01": true, "second 00 00": false, "second 00 01": true}
	require.NoError(t, world.Poll(patience, "both cards", func() error {
		out, err := world.Run(patience, p.Env(), "opensc-tool", "-l")
		if got := readers(out); err == nil && !maps.Equal(got, want) {
			return fmt.Errorf("readers are %v", got)
		}
		return err
	}))
}

func TestPCSCDRestartsOnTheSameSocket(t *testing.T) {
	t.Parallel()
	p := startPCSCD(t, "terminal")
	v := cardsim.NewVitale(cardsim.VitaleConfig{})
	s := insert(t, p, 0, v)
	for name, end := range map[string]func() error{
		"stopped": p.Stop,
		"killed":  func() error { p.Kill(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			socket := p.Socket()
			require.NoError(t, end())
			<-s.Gone()
			s.Remove()
			require.NoError(t, p.Start())
			require.Equal(t, socket, p.Socket())
			require.NoError(t, s.Insert(v))
			waitCard(t, p, 0, true)
		})
	}
}

func TestSwappedCardReadsAsTheOther(t *testing.T) {
	t.Parallel()
	p := startPCSCD(t, "terminal")
	one := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000001"})
	two := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000002"})
	s := insert(t, p, 0, one)
	first := send(t, p, 0, "00B0820030")
	s.Remove()
	require.NoError(t, s.Insert(two))
	waitCard(t, p, 0, true)
	require.Equal(t, fmt.Sprintf("%X9000", two.Content(cardsim.AIDVitaleMF, 0x2F02)), send(t, p, 0, "00B0820030")[0])
	require.NotEqual(t, first, send(t, p, 0, "00B0820030"))
}

// configureOpenSC makes OpenSC's programs at p read a line of configuration until the test ends.
func configureOpenSC(t *testing.T, p *world.PCSCD, line string) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "opensc.conf")
	require.NoError(t, os.WriteFile(conf, []byte("app default {\n"+line+"\n}\n"), 0o600))
	p.Vars = []string{"OPENSC_CONF=" + conf}
	t.Cleanup(func() { p.Vars = nil })
}

// withProtocol makes OpenSC talk T=0 or T=1 to a card that offers both.
func withProtocol(t *testing.T, p *world.PCSCD, protocol string) {
	t.Helper()
	configureOpenSC(t, p,
		fmt.Sprintf("card_atr 3B:9B:18:80:01:00:12:25:00:64:80:04:01:00:00:90:44 { force_protocol = %q; }", protocol))
}

func TestCPSWithOpenSC(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"t0", "t1"} {
		t.Run(protocol, func(t *testing.T) {
			p, c := startPCSCD(t, "terminal"), newCPS(t)
			withProtocol(t, p, protocol)
			insert(t, p, 1, c)
			t.Run("list", func(t *testing.T) { listObjects(t, p, c) })
			t.Run("certificates", func(t *testing.T) { readCertificates(t, p, c) })
			t.Run("sign with 9A", func(t *testing.T) { signWith9A(t, p, c) })
			t.Run("9A without PIN", func(t *testing.T) { refuse9A(t, p) })
			t.Run("sign with 9E", func(t *testing.T) { signWith9E(t, p, c) })
			require.Equal(t, protocol == "t0", onlyT0(c.History()), "the protocol that was asked for")
		})
	}
}

// onlyT0 reports whether no command had both data and Le.
func onlyT0(history []cardsim.Exchange) bool {
	for _, e := range history {
		if e.DataLength > 0 && e.Le > 0 {
			return false
		}
	}
	return true
}

func listObjects(t *testing.T, p *world.PCSCD, c *cardsim.CPS) {
	out := tool(t, p, "pkcs11-tool", "--list-objects")
	for _, ref := range []byte{0x9A, 0x9C, 0x9D, 0x9E} {
		require.Contains(t, out, "CN="+c.Certificate(ref).Subject.CommonName)
	}
	require.Contains(t, out, "Public Key Object; RSA 2048 bits")
	require.Contains(t, out, "Public Key Object; EC  EC_POINT 256 bits")
	out = tool(t, p, "pkcs15-tool", "--list-pins")
	require.Contains(t, out, "stored_len:8")
}

func readCertificates(t *testing.T, p *world.PCSCD, c *cardsim.CPS) {
	for id, ref := range map[string]byte{"01": 0x9A, "02": 0x9C, "03": 0x9D, "04": 0x9E} {
		der := tool(t, p, "pkcs11-tool", "--read-object", "--type", "cert", "--id", id)
		cert, err := x509.ParseCertificate([]byte(der))
		require.NoError(t, err)
		require.True(t, cert.Equal(c.Certificate(ref)), "certificate of %X", ref)
	}
}

const message = "specimen of a message\n"

// signature returns pkcs11-tool's signature of message.
func signature(t *testing.T, p *world.PCSCD, args ...string) ([]byte, error) {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(in, []byte(message), 0o600))
	args = append([]string{"--sign", "--input-file", in, "--output-file", out}, args...)
	if _, err := world.Run(patience, p.Env(), "pkcs11-tool", args...); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

func signWith9A(t *testing.T, p *world.PCSCD, c *cardsim.CPS) {
	digest := sha256.Sum256([]byte(message))
	pub := c.Certificate(cardsim.KeyAuthentication).PublicKey.(*rsa.PublicKey)
	sig, err := signature(t, p, "--mechanism", "SHA256-RSA-PKCS", "--id", "01", "--login", "--pin", "1234")
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig))
	sig, err = signature(t, p, "--mechanism", "SHA256-RSA-PKCS-PSS", "--id", "01", "--login", "--pin", "1234")
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPSS(pub, crypto.SHA256, digest[:], sig, nil))
}

func refuse9A(t *testing.T, p *world.PCSCD) {
	_, err := signature(t, p, "--mechanism", "SHA256-RSA-PKCS", "--id", "01", "--login", "--pin", "9999")
	require.ErrorContains(t, err, "CKR_PIN_INCORRECT")
	_, err = signature(t, p, "--mechanism", "SHA256-RSA-PKCS", "--id", "01", "--login", "--pin", "1234")
	require.NoError(t, err, "the counter starts anew")
}

// signWith9E uses pkcs15-crypt, which knows that this key needs no PIN; pkcs11-tool would ask for it before any
// signature.
func signWith9E(t *testing.T, p *world.PCSCD, c *cardsim.CPS) {
	digest := sha256.Sum256([]byte(message))
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(in, digest[:], 0o600))
	tool(t, p, "pkcs15-crypt", "--sign", "--key", "04", "--sha-256", "--signature-format", "openssl", "--input", in,
		"--output", out)
	sig, err := os.ReadFile(out)
	require.NoError(t, err)
	pub := c.Certificate(cardsim.KeyCardAuthentication).PublicKey.(*ecdsa.PublicKey)
	require.True(t, ecdsa.VerifyASN1(pub, digest[:], sig))
}

func TestCPSForgetsThePINOnReset(t *testing.T) {
	t.Parallel()
	const (
		selectPIV = "00A4040009A0000003080000100000"
		verify    = "002000800831323334FFFFFFFF"
		probe     = "0020008000"
	)
	p, c := startPCSCD(t, "terminal"), newCPS(t)
	insert(t, p, 1, c)
	within := send(t, p, 1, selectPIV, verify, probe)
	require.Equal(t, []string{"9000", "9000"}, within[1:], "verified, and it stays")
	before := c.Counts()
	tool(t, p, "opensc-tool", "--reader", slotName(p, 1), "--reset")
	after := send(t, p, 1, selectPIV, probe)
	require.Equal(t, "63C3", after[1])
	require.Greater(t, c.Counts().Resets+c.Counts().PowerOns, before.Resets+before.PowerOns)
}

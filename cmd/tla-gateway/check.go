package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/fips"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/room"
	"tlagate/cmd/internal/trail"
	"tlagate/est"
	"tlagate/gateway"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

type checkCmd struct{ configFlag }

// Run reads everything that serve would read, prints it, and says all that is wrong. It exits with 0, with 1 when
// something is wrong, or with 2 when something cannot be read at all.
func (s *checkCmd) Run(app *cli.App) error {
	c, rules, err := load(s.Config)
	if !cli.Usable(err) {
		return cli.Usage("%w", err)
	}
	r := &report{out: tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0), now: time.Now()}
	r.unreadable(err)
	r.access(c, rules)
	r.crypto(c)
	keys, unreadable := c.Identity.OpenOrAll()
	r.unreadable(unreadable)
	// what it would log is printed below
	store, unreadable := trust.Open(c.Trust.Config(c.Demanded(), slog.New(slog.DiscardHandler)))
	r.unreadable(unreadable)
	r.others(c)
	r.identity(store, keys)
	r.enrolment(c, keys)
	r.trust(store)
	r.coverage(store, keys)
	r.users(c, store)
	r.trace(c)
	r.integrity(c, s.Config)
	r.siem(c)
	r.api(app.Context, c)
	return r.conclude()
}

// From when on the end of a list or certificate is worth a warning.
const (
	soonCRL  = 2 * time.Hour
	soonCert = 30 * 24 * time.Hour
)

// report prints what is found, and counts what is wrong.
type report struct {
	out    *tabwriter.Writer
	now    time.Time
	wrong  int
	unread int // of those, what cannot be read at all
}

func (r *report) line(what, format string, args ...any) {
	fmt.Fprintf(r.out, "%s\t%s\n", what, cli.Screen(fmt.Sprintf(format, args...)))
}

func (r *report) problem(err error) {
	r.wrong++
	r.line("WRONG", "%v", err)
}

// unreadable prints each fault of an error about what cannot be read; nil = none.
func (r *report) unreadable(err error) {
	for _, fault := range cli.FaultsOf(err) {
		r.problem(fault)
		r.unread++
	}
}

func (r *report) warning(format string, args ...any) { r.line("WARNING", format, args...) }

// ends warns of what ends within limit.
func (r *report) warnOfEnd(what string, at time.Time, limit time.Duration) {
	if left := at.Sub(r.now); left > 0 && left < limit {
		r.warning("%s ends in %s", what, left.Round(time.Minute))
	}
}

func (r *report) access(c config, rules []gateway.Rule) {
	r.line("listen", "%s", c.Listen)
	if len(c.ProxyFrom) > 0 {
		r.line("balancers", "connections from %s begin with a PROXY header, version 2", strings.Join(c.ProxyFrom, " "))
	}
	if c.Metrics != "" {
		r.line("metrics", "%s", c.Metrics)
	}
	r.line("access", "a TLA opens the PdTs of its own practice")
	for _, rule := range rules {
		r.line("access", "%s opens %s%s", rule.TLA, rule.PdT, whose(rule.Who))
	}
}

// trace says whether a trace is kept, who could find out that root at this machine rewrote it, and whether it is held.
func (r *report) trace(c config) {
	if c.Audit.File == "" {
		r.line("trace", "none is kept: name a file under audit")
		return
	}
	r.line("trace", "%s, %s", c.Audit.File, trail.Kept(c.Audit))
	if lacking := room.Lacking(string(c.Audit.File)); lacking != "" {
		r.warning("%s, or no session begins", lacking)
	}
	if len(c.Push) == 0 {
		r.warning("nothing keeps the heads of the audit trace, so that root here can rewrite all of it unseen: name " +
			"a tla-pki serve under push")
	}
	for _, source := range c.Push {
		r.line("trace", "its heads are kept by %s", source.URL)
	}
	if held := trail.Held(string(c.Audit.File)); held != "" {
		r.warning("nothing of the audit trace is purged until `tla-gateway audit release`: it is held %s", held)
	}
}

// integrity checks that the machine is as its manifests say.
func (r *report) integrity(c config, file string) {
	text, err := intact.Summary(c.Integrity, file, c.Trust, string(c.Audit.File))
	if err != nil {
		r.problem(err)
		return
	}
	r.line("integrity", "%s", cmp.Or(text, "not compared: no manifests are named under integrity"))
}

// crypto says what links take, and whether this program can be in the mode of Go that it takes.
func (r *report) crypto(c config) {
	if c.Demanded() != pki.CryptoRGS {
		r.line("crypto", "default: X25519 and ChaCha20 are taken too, outside the letter of RGS B1")
		return
	}
	r.line("crypto", "rgs: AES-GCM, and no X25519; devices must have it too")
	if !fips.Suits(c.Demanded()) {
		r.unreadable(fips.Possible())
	}
}

// others tries to open what serve opens beside our certificate and the trust store.
func (r *report) others(c config) {
	for i, source := range c.Push {
		if source.Client != (cli.Identity{}) || c.Client == (cli.Identity{}) {
			r.pair(fmt.Sprintf("push[%d].client", i), source.Client)
		}
	}
	if c.Client != (cli.Identity{}) {
		r.pair("client", c.Client)
	}
	if c.Bundles != "" {
		_, err := os.ReadDir(string(c.Bundles))
		r.unreadable(err)
	}
}

// pair tries to open a certificate and its key.
func (r *report) pair(section string, id cli.Identity) {
	keys, err := id.OpenOrAll()
	for _, fault := range cli.FaultsOf(err) {
		r.unreadable(fmt.Errorf("%s: %w", section, fault))
	}
	if keys != nil {
		_ = keys.Close()
	}
}

func (r *report) identity(store *trust.Trust, keys *cli.Keys) {
	if keys == nil {
		return
	}
	leaf := keys.Certificate().Leaf
	names := cmp.Or(strings.Join(leaf.DNSNames, " "), "no DNS name")
	r.line("certificate", "serial %x, for %s, until %s", leaf.SerialNumber, names,
		stamp.Minute(leaf.NotAfter))
	if store == nil {
		return
	}
	verdict, err := verifyOurs(store, keys)
	if err != nil {
		r.problem(fmt.Errorf("peers would refuse our certificate: %w", err))
		return
	}
	r.line("identity", "%s", verdict.Identity)
	r.warnOfEnd("our certificate, or a CA's above it,", verdict.NotAfter, soonCert)
}

func (r *report) enrolment(c config, keys *cli.Keys) {
	e := c.Enrolment
	if e == nil {
		r.line("enrolment", "not piped")
		return
	}
	r.line("enrolment", "for %s piped to %s", strings.TrimSpace(est.AnyName+" "+e.Name), e.To)
	if keys == nil {
		return
	}
	if err := e.ambiguous(keys); err != nil {
		r.problem(err)
	}
}

func (r *report) trust(store *trust.Trust) {
	if store == nil {
		return
	}
	for _, a := range store.Anchors() {
		r.line("anchor", "%s, vouches for %s, until %s", a.Cert.Subject.CommonName, practices(a.Practices),
			stamp.Minute(a.Cert.NotAfter))
		r.warnOfEnd("this anchor", a.Cert.NotAfter, soonCert)
		if text := a.Unrevocable(); text != "" {
			r.warning("%s: name its root under trust.anchors, and it under trust.intermediates", text)
		}
	}
	for _, l := range store.Lists() {
		r.list(l)
	}
}

func (r *report) list(l revocation.List) {
	if l.Issuer != "" {
		r.line("crl", "%s of %s, number %s, %d entries, until %s", l.Source, l.Issuer, l.Number, l.Entries,
			stamp.Minute(l.NextUpdate))
		r.warnOfEnd("this CRL", l.NextUpdate, max(soonCRL, l.NextUpdate.Sub(l.Ahead)))
	}
	if l.Err != nil {
		r.problem(l.Err)
	}
}

func (r *report) conclude() error {
	if r.wrong == 0 {
		r.line("result", "good")
		return r.out.Flush()
	}
	r.line("result", "%d wrong", r.wrong)
	code := 1
	if r.unread > 0 {
		code = 2
	}
	return cli.ExitCode(code, r.out.Flush())
}

func practices(list []string) string {
	if len(list) == 0 {
		return "no practice"
	}
	return strings.Join(list, " ")
}

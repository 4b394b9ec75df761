package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/gateway"
	"tlagate/pki"
	"tlagate/pki/est"
)

type checkCmd struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
}

// Run reads everything that serve would read, prints it, and says what is wrong: exit 0, 1, or 2 when something
// cannot be read at all.
func (s *checkCmd) Run(app *cli.App) error {
	c, rules, err := load(s.Config)
	if err != nil {
		return cli.Usage("%w", err)
	}
	keys, trust, err := c.open(&trail.Trail{}, slog.New(slog.DiscardHandler)) // what it would log is printed below
	if err != nil {
		return cli.Usage("%w", err)
	}
	r := &report{out: tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0), now: time.Now()}
	r.access(c, rules)
	r.identity(trust, keys)
	r.enrolment(c, keys)
	r.trust(trust)
	return r.conclude()
}

// soon is when the end of a list or certificate is worth a warning.
const (
	soonCRL  = 2 * time.Hour
	soonCert = 30 * 24 * time.Hour
)

// report prints what is found, and counts what is wrong.
type report struct {
	out   *tabwriter.Writer
	now   time.Time
	wrong int
}

func (r *report) line(what, format string, args ...any) {
	fmt.Fprintf(r.out, "%s\t%s\n", what, fmt.Sprintf(format, args...))
}

func (r *report) problem(err error) {
	r.wrong++
	r.line("WRONG", "%v", err)
}

// ends warns of what ends within limit.
func (r *report) ends(what string, at time.Time, limit time.Duration) {
	if left := at.Sub(r.now); left > 0 && left < limit {
		r.line("WARNING", "%s ends in %s", what, left.Round(time.Minute))
	}
}

func (r *report) access(c config, rules []gateway.Rule) {
	r.line("listen", "%s", c.Listen)
	if c.Metrics != "" {
		r.line("metrics", "%s", c.Metrics)
	}
	r.line("access", "a TLA opens the PdTs of its own practice")
	for _, rule := range rules {
		r.line("access", "%s opens %s", rule.TLA, rule.PdT)
	}
}

func (r *report) identity(trust *pki.Trust, keys *cli.Keys) {
	leaf := keys.Certificate().Leaf
	r.line("certificate", "serial %x, for %s, until %s", leaf.SerialNumber, strings.Join(leaf.DNSNames, " "), stamp(leaf.NotAfter))
	verdict, err := verifyOurs(trust, keys)
	if err != nil {
		r.problem(fmt.Errorf("peers would refuse our certificate: %w", err))
		return
	}
	r.line("identity", "%s", verdict.Identity)
	r.ends("our certificate, or a CA's above it,", verdict.NotAfter, soonCert)
}

func (r *report) enrolment(c config, keys *cli.Keys) {
	e := c.Enrolment
	if e == nil {
		r.line("enrolment", "not piped")
		return
	}
	r.line("enrolment", "for %s piped to %s", strings.TrimSpace(est.AnyName+" "+e.Name), e.To)
	if err := e.ambiguous(keys); err != nil {
		r.problem(err)
	}
}

func (r *report) trust(trust *pki.Trust) {
	for _, a := range trust.Anchors() {
		r.line("anchor", "%s, vouches for %s, until %s", a.Cert.Subject.CommonName, practices(a.Practices), stamp(a.Cert.NotAfter))
		r.ends("this anchor", a.Cert.NotAfter, soonCert)
	}
	lists := trust.Lists()
	if len(lists) == 0 {
		r.problem(errors.New("no CRL is configured: every peer will be refused; name them under trust.crls"))
	}
	for _, l := range lists {
		r.list(l)
	}
}

func (r *report) list(l pki.List) {
	if l.Issuer != "" {
		r.line("crl", "%s of %s, number %s, %d entries, until %s", l.Source, l.Issuer, l.Number, l.Entries, stamp(l.NextUpdate))
		r.ends("this CRL", l.NextUpdate, soonCRL)
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
	return cli.ExitCode(1, r.out.Flush())
}

func practices(list []string) string {
	if len(list) == 0 {
		return "no practice"
	}
	return strings.Join(list, " ")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

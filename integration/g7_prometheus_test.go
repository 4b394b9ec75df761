package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// prometheus is Debian's Prometheus, which scrapes our programs every second and evaluates our alerts.
type prometheus struct {
	t    *testing.T
	root string // of the module
	addr string
}

const prometheusConfig = `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
- job_name: tlagate
  static_configs: [{targets: [%s]}]
`

// startPrometheus starts one that scrapes these addresses.
func startPrometheus(t *testing.T, targets ...string) *prometheus {
	t.Helper()
	p := &prometheus{t: t}
	var err error
	p.root, err = world.ModuleRoot()
	require.NoError(t, err)
	program := findPrometheus(t, p.root)
	port, err := world.Port()
	require.NoError(t, err)
	p.addr = world.Addr(port)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf(prometheusConfig,
		filepath.Join(p.root, "deploy/prometheus/tlagate.rules.yml"), strings.Join(targets, ", "))), 0o600))
	proc, err := world.Start(world.Command{Name: "prometheus", Path: program, Args: []string{"--config.file=" + config,
		"--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + p.addr}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proc.Stop()) })
	logged(t, proc, 0, "Server is ready to receive web requests")
	return p
}

// findPrometheus returns the program, which is installed, or was fetched by make test.
func findPrometheus(t *testing.T, root string) string {
	t.Helper()
	for _, name := range []string{"prometheus", filepath.Join(root, "bin/prometheus/prometheus")} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no Prometheus: deploy/prometheus.sh bin/prometheus fetches Debian's; no query is tried")
	return ""
}

// get asks its API, and reads the data of the answer.
func (p *prometheus) get(data any, path string, values url.Values) error {
	resp, err := http.Get("http://" + p.addr + "/api/v1/" + path + "?" + values.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("Prometheus says %q", answer.Error)
	}
	return nil
}

// series returns how many series an expression gives now.
func (p *prometheus) series(expr string) (int, error) {
	var data struct{ Result []json.RawMessage }
	err := p.get(&data, "query", url.Values{"query": {expr}})
	return len(data.Result), err
}

// givesASeries waits until an expression gives one: a rate needs two scrapes.
func (p *prometheus) givesASeries(expr string) {
	p.t.Helper()
	require.NoError(p.t, world.Poll(patience, "a series of "+expr, func() error {
		if n, err := p.series(expr); err != nil || n == 0 {
			return fmt.Errorf("there are %d (%v)", n, err)
		}
		return nil
	}))
}

// rules are those that Prometheus evaluates.
type rules struct {
	Groups []struct {
		Rules []struct{ Name, Health, LastError, State string }
	}
}

// dashboardQueries returns the queries of deploy/grafana/tlagate.json, by panel, as Grafana sends them.
func (p *prometheus) dashboardQueries() map[string][]string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.root, "deploy/grafana/tlagate.json"))
	require.NoError(p.t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(p.t, json.Unmarshal(text, &dashboard))
	variables, queries := strings.NewReplacer("$instance", ".*", "$__rate_interval", "1m"), map[string][]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expr := variables.Replace(target.Expr)
			require.NotContains(p.t, expr, "$", "a variable that the dashboard has not")
			queries[panel.Title] = append(queries[panel.Title], expr)
		}
	}
	return queries
}

// comparison is one whose answer has no series while all is well.
var comparison = regexp.MustCompile(` (==|!=|<=|>=|<|>) `)

// alertQueries returns the expressions of the alerts, with a series that says 0 or 1 whether they fire.
func (p *prometheus) alertQueries() map[string]string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.root, "deploy/prometheus/tlagate.rules.yml"))
	require.NoError(p.t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	require.NoError(p.t, yaml.Unmarshal(text, &file))
	queries := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			queries[r.Alert] = comparison.ReplaceAllString(r.Expr, " $1 bool ")
		}
	}
	return queries
}

// TestG7EveryQueryGivesASeries: Debian's Prometheus scrapes the real programs. It takes the alerts, and each query of
// the dashboard, and of each alert, gives a series; while all is well, no alert fires. Grafana itself is not run.
func TestG7EveryQueryGivesASeries(t *testing.T) {
	targets, metrics := make([]string, 2), make([]string, 2)
	for i := range targets {
		port, err := world.Port()
		require.NoError(t, err)
		targets[i], metrics[i] = fmt.Sprintf("%q", world.Addr(port)), fmt.Sprintf("metrics: %q", world.Addr(port))
	}
	l := layLab(t)
	observed(t, l, metrics[0], metrics[1])
	p := startPrometheus(t, targets...)
	for panel, queries := range p.dashboardQueries() {
		t.Run("panel "+panel, func(t *testing.T) {
			for _, q := range queries {
				(&prometheus{t, p.root, p.addr}).givesASeries(q)
			}
		})
	}
	for alert, query := range p.alertQueries() {
		t.Run("alert "+alert, func(t *testing.T) { (&prometheus{t, p.root, p.addr}).givesASeries(query) })
	}
	var all rules
	require.NoError(t, p.get(&all, "rules", nil))
	count := 0
	for _, g := range all.Groups {
		for _, r := range g.Rules {
			count++
			require.Equal(t, "ok", r.Health, "%s: %s", r.Name, r.LastError)
			require.NotEqual(t, "firing", r.State, r.Name)
		}
	}
	require.Len(t, p.alertQueries(), count)
}

// observed starts a deployment that has all that can be watched, with a session, after one that has ended.
func observed(t *testing.T, l *lab.Lab, gatewayMetrics, ocspMetrics string) {
	t.Helper()
	push := startPush(t, l)
	siem, siemSection := layRsyslog(t, l)
	siem.start()
	responder, err := l.StartOCSP(ocspMetrics)
	require.NoError(t, err)
	l.GatewayTrust.OCSP = []string{responder}
	operator, err := l.NewOperator("claire", "read")
	require.NoError(t, err)
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	_, err = l.Issue("ops", "bundle", lab.Ops)
	require.NoError(t, err)
	machine := compared{l: l, name: "gateway", program: "tla-gateway"}
	machine.layOut(t)
	require.NoError(t, l.StartGateway(gatewayMetrics, l.PushLines(push), siemSection, operator.API,
		machine.lines("report"), "audit: "+l.Path("gateway-audit.jsonl")))
	require.NoError(t, l.StartPdT())
	require.NoError(t, l.StartRelay())
	startSession(t, l)
	_, err = l.Relay("stop")
	require.NoError(t, err)
	startSession(t, l)
}

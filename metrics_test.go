package tlagate_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tlagate/audit/siem"
	"tlagate/gateway"
	"tlagate/gateway/api"
	"tlagate/metrics"
	"tlagate/ocsp"
	"tlagate/pki/trust"
)

const rulesFile = "deploy/prometheus/tlagate.rules.yml"

// exported returns the metrics of all programs with their labels, as "name label,label".
func exported(t *testing.T) []string {
	t.Helper()
	descs := make(chan *prometheus.Desc, 1000)
	gateway.New(gateway.Config{Party: &trust.Party{}}).Describe(descs)
	api.New(api.Config{Gateway: new(gateway.Gateway), Party: &trust.Party{}}).Describe(descs)
	new(ocsp.Responder).Describe(descs)
	new(siem.Sender).Describe(descs)
	new(metrics.Integrity).Describe(descs)
	metrics.NewRegistry("").Describe(descs)
	close(descs)
	shape := regexp.MustCompile(`fqName: "(\w+)".*constLabels: \{(.*)\}, variableLabels: \{(.*)\}`)
	var all []string
	for d := range descs {
		m := shape.FindStringSubmatch(d.String())
		require.NotNil(t, m, d.String())
		if !strings.HasPrefix(m[1], "tlagate_") {
			continue // of client_golang
		}
		labels := regexp.MustCompile(`\w+`).FindAllString(regexp.MustCompile(`="[^"]*"`).ReplaceAllString(m[2]+" "+m[3],
			""), -1)
		slices.Sort(labels)
		all = append(all, m[1]+" "+strings.Join(labels, ","))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestG7MetricsAreDocumented: docs/metrics.md has every metric with its labels, and no other.
func TestG7MetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("docs/metrics.md")
	require.NoError(t, err)
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(tlagate_\\w+)` \\|([^|]*)\\| (?:gauge|counter|histogram) \\| "+
		".+ \\|$").FindAllStringSubmatch(string(text), -1) {
		labels := regexp.MustCompile(`\w+`).FindAllString(m[2], -1)
		slices.Sort(labels)
		documented = append(documented, m[1]+" "+strings.Join(labels, ","))
	}
	slices.Sort(documented)
	require.Equal(t, exported(t), documented)
}

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr         string
			Labels, Annotations map[string]string
		}
	}
}

// TestG7AlertsUseWhatIsExported: a rule about a metric that does not exist would never fire.
func TestG7AlertsUseWhatIsExported(t *testing.T) {
	data, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	var file ruleFile
	require.NoError(t, yaml.Unmarshal(data, &file))
	var names []string
	for _, m := range exported(t) {
		names = append(names, strings.Fields(m)[0])
	}
	rules, groups := 0, map[string]bool{}
	for _, g := range file.Groups {
		require.False(t, groups[g.Name], "Prometheus refuses a file with two groups of one name: %s", g.Name)
		groups[g.Name] = true
		for _, r := range g.Rules {
			rules++
			require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
			used := regexp.MustCompile(`tlagate_\w+`).FindAllString(r.Expr, -1)
			require.NotEmpty(t, used, r.Alert)
			for _, u := range used {
				require.Contains(t, names, strings.TrimSuffix(u, "_bucket"), r.Alert)
			}
		}
	}
	require.Greater(t, rules, 10)
}

// TestG7TheDashboardShowsWhatIsExported: each metric of the dashboard is one of ours, or of the process.
func TestG7TheDashboardShowsWhatIsExported(t *testing.T) {
	text, err := os.ReadFile("deploy/grafana/tlagate.json")
	require.NoError(t, err)
	var names []string
	for _, m := range exported(t) {
		names = append(names, strings.Fields(m)[0])
	}
	used := regexp.MustCompile(`tlagate_\w+`).FindAllString(string(text), -1)
	require.Greater(t, len(used), 30)
	for _, u := range used {
		require.Contains(t, names, strings.TrimSuffix(u, "_bucket"))
	}
}

// TestG7EachAlertIsTested: the tests of the rules have, of each alert, a time at which it fires, and one at which it
// does not.
func TestG7EachAlertIsTested(t *testing.T) {
	rules, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	text, err := os.ReadFile("deploy/prometheus/tlagate.test.yml")
	require.NoError(t, err)
	var tested struct {
		Tests []struct {
			Cases []struct {
				Name string `yaml:"alertname"`
				Want []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &tested))
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range tested.Tests {
		for _, c := range test.Cases {
			if len(c.Want) > 0 {
				fires[c.Name] = true
			} else {
				silent[c.Name] = true
			}
		}
	}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		require.True(t, fires[m[1]], "no test has %s fire", m[1])
		require.True(t, silent[m[1]], "no test has %s stay silent", m[1])
	}
}

// TestG7AlertsFire runs the tests of the rules, if there is a promtool: installed, or fetched by make test.
func TestG7AlertsFire(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		promtool, err = exec.LookPath("bin/prometheus/promtool")
	}
	if err != nil {
		t.Skip("there is no promtool: deploy/prometheus.sh bin/prometheus fetches Debian's; no rule is run")
	}
	for _, args := range [][]string{{"check", "rules", rulesFile},
		{"test", "rules", "deploy/prometheus/tlagate.test.yml"}} {
		out, err := exec.Command(promtool, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

package integration

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

// TestEL1Journal: levels and attributes of a program's log reach a real journald, and levels alone reach it while its
// socket is away.
func TestEL1Journal(t *testing.T) {
	id, err := os.ReadFile("/etc/machine-id")
	if os.Getuid() != 0 || err != nil || len(strings.TrimSpace(string(id))) != 32 {
		t.Skip("journald needs root and /etc/machine-id")
	}
	t.Parallel()
	gateway, err := world.Binary("tla-gateway")
	require.NoError(t, err)
	dir := t.TempDir()
	config := dir + "/gateway.yaml"
	require.NoError(t, os.WriteFile(config, []byte(`listen: "127.0.0.1:0"
identity: {cert: none.pem, key: none.key}
trust: {anchors: [{file: none.pem, practices: ["*"]}]}
`), 0o600))
	out, err := world.Run(patience, nil, "unshare", "--mount", "--propagation", "private", "sh", "testdata/journal.sh",
		"/mnt"+gateway, "serve", "--config", "/mnt"+config)
	require.NoError(t, err)

	type entry struct {
		Priority, Message string
		Name              string `json:"SYSLOG_IDENTIFIER"`
		Way               string `json:"_TRANSPORT"`
	}
	const warned, ended = `msg="no audit trace is kept: name a file under audit (EL1)"`, "tla-gateway: cannot use the key "
	var got []entry
	for line := range strings.Lines(out) {
		var e entry
		if json.Unmarshal([]byte(line), &e) == nil && (e.Message == warned || strings.HasPrefix(e.Message, ended)) {
			e.Message, _, _ = strings.Cut(e.Message, "/mnt")
			got = append(got, e)
		}
	}
	require.Equal(t, []entry{
		{"4", warned, "tla-gateway", "journal"}, {"3", ended, "", "stdout"},
		{"4", warned, "", "stdout"}, {"3", ended, "", "stdout"},
	}, got)
}

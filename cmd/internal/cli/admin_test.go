package cli_test

import (
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/logtest"
	"tlagate/keys"
	"tlagate/pki/pkitest"
)

// TestSP3ACertificateOfAPerson: another one is refused before anybody is asked, and its end is told: nobody renews it
// for them.
func TestSP3ACertificateOfAPerson(t *testing.T) {
	ca := pkitest.New(t)
	const claire, month = "urn:tlagate:op:admin:claire", 30 * 24 * time.Hour
	for _, c := range []struct {
		who     string
		left    time.Duration
		refused bool
		told    bool
	}{{claire, 2 * month, false, false}, {claire, month / 2, false, true},
		{"urn:tlagate:cab1:tla:t1", month, true, false}} {
		cert, key := pkitest.WriteCertificate(t, t.TempDir(), "own", ca.Issue(c.who, x509.ExtKeyUsageClientAuth,
			pkitest.Valid(-time.Hour, c.left)))
		own, err := cli.Identity{Cert: cli.Path(cert), Key: keys.Spec(key)}.Open()
		require.NoError(t, err)
		log := &logtest.Buffer{}
		err = own.OfAdmin(slog.New(slog.NewTextHandler(log, nil)))
		require.Equal(t, c.refused, err != nil, err)
		require.Equal(t, c.told, strings.Contains(log.String(), "our certificate ends soon"), log.String())
		own.Close()
	}
}

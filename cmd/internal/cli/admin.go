package cli

import (
	"fmt"
	"log/slog"
	"time"

	"tlagate/internal/stamp"
	"tlagate/pki"
)

// soon is how long before its end a person is told that their certificate ends.
const soon = 30 * 24 * time.Hour

// OfAdmin returns an error if the certificate is none by which a person acts on gateways or the PKI, and warns if it
// ends soon: nobody renews it for them.
func (k *Keys) OfAdmin(log *slog.Logger) error {
	cert := k.Certificate().Leaf
	id, err := pki.IdentityOf(cert)
	if err == nil && id.Role != pki.RoleAdmin {
		err = fmt.Errorf("it is that of a %s, and people have one of role %s (tla-pki issue --profile admin)", id.Role,
			pki.RoleAdmin)
	}
	if err != nil {
		return fmt.Errorf("cannot use the certificate %s: %w", k.from.Cert, err)
	}
	if left := time.Until(cert.NotAfter); left > 0 && left < soon {
		log.Warn("our certificate ends soon: have another one issued", "identity", id, "until",
			stamp.Day(cert.NotAfter))
	}
	return nil
}

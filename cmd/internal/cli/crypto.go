package cli

import (
	"tlagate/cmd/internal/fips"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Crypto is the line of a configuration about what links may negotiate (docs/crypto.md):
//
//	crypto: rgs
type Crypto struct {
	Word string `yaml:"crypto"` // "default", the same as none, or "rgs": the letter of RGS B1
}

// CheckCrypto says what is wrong with the line.
func (c Crypto) CheckCrypto() error {
	_, err := pki.ParseCrypto(c.Word)
	return err
}

// Demanded returns what the line demands.
func (c Crypto) Demanded() pki.Crypto {
	demanded, _ := pki.ParseCrypto(c.Word) // CheckCrypto has said it
	return demanded
}

// Insist has the program run as the line demands; see fips.Enter.
func (c Crypto) Insist(app *App) error { return fips.Enter(app.Context, c.Demanded()) }

// LogCrypto says in the log what the links of a running program take: its configuration may say something else by now.
func (a *App) LogCrypto(t *trust.Trust) { a.Log.Info("what links take", "crypto", t.Crypto().String()) }

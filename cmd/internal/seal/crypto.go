package seal

import (
	"errors"
	"os"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/fips"
	"tlagate/pki"
)

// errNotYet has whoever runs the program start it again (Restart= of its unit): then it knows beforehand.
var errNotYet = errors.New("cannot use the bundle yet: it brings crypto: rgs; this program must be started again")

// ErrCrypto ends a program whose new bundle changes what its links take.
var ErrCrypto = errors.New("the new bundle changes crypto: this program must be started again")

// CryptoWith returns what links take by the file and a bundle, the stricter of the two; nil = there is no bundle.
func (s Seal) CryptoWith(b *bundle.Content) pki.Crypto {
	if b != nil && b.Crypto == pki.CryptoRGS {
		return pki.CryptoRGS
	}
	return s.Demanded()
}

// Insist has the program run as the file, or the bundle beside it, demands. The bundle is not judged yet, since our key
// would be needed for that; whoever could alter it gains no more than a restart.
func (s Seal) Insist(app *cli.App) error { return fips.Enter(app.Context, s.Foreseen()) }

// Foreseen is what links take by the file and the bundle beside it, which is not judged yet.
func (s Seal) Foreseen() pki.Crypto { return s.CryptoWith(s.glance()) }

// Suits checks that the program runs as a bundle demands that has been judged.
func (s Seal) Suits(b *bundle.Content) error {
	if !fips.Suits(s.CryptoWith(b)) {
		return errNotYet
	}
	return nil
}

// glance returns what the bundle says, if it can be read; nil = whoever opens it says why not. Root may run this before
// it becomes the account that may write there: what is no file, a FIFO for one, is not opened.
func (s Seal) glance() *bundle.Content {
	if info, err := os.Stat(string(s.Bundle)); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	b, err := bundle.ReadFile(string(s.Bundle))
	if err != nil {
		return nil
	}
	return b.Content
}

// Possible says why this program cannot work with the crypto of a bundle: it is not taken in then.
func (s Seal) Possible(b *bundle.Content) error {
	if s.CryptoWith(b) != pki.CryptoRGS {
		return nil
	}
	return fips.Possible()
}

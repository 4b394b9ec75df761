package doctor

import (
	"crypto/fips140"

	"tlagate/cmd/internal/fips"
	"tlagate/pki"
)

// crypto says whether crypto: rgs is on, and whether the program can be in the mode of Go that it takes.
func (d Device) crypto() Finding {
	content, _ := d.Content() // a bundle that cannot be used has a finding of its own
	by := "the configuration"
	if d.Seal.Demanded() != pki.CryptoRGS {
		by = "the bundle"
	}
	switch {
	case d.Seal.CryptoWith(content) != pki.CryptoRGS:
		return Good("default: X25519 and ChaCha20, outside the letter of RGS B1, are taken too; crypto: rgs leaves " +
			"them away")
	case fips.Possible() != nil:
		return Fail("set GODEBUG=fips140=on where the program is started (docs/crypto.md)", "rgs, by %s: %v", by,
			fips.Possible())
	case fips140.Enabled():
		return Good("rgs, by %s: AES-GCM, and no X25519", by)
	}
	return Good("rgs, by %s: AES-GCM, and no X25519; the program starts itself again for it", by)
}

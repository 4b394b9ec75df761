//go:build pkcs11 && cgo

package cli

// `make build` sets the tag: every program then loads PKCS#11 modules. Without it, package keys says what is missing.
import _ "tlagate/keys/pkcs11"

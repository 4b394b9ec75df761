// Package pkcs11 lets package keys use keys in PKCS#11 tokens: programs import it
// for that effect. It needs cgo, since it loads the token's module; without cgo
// it is empty, and package keys refuses such keys and says why.
package pkcs11

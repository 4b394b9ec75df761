// Package pkcs11 gives a program keys in PKCS#11 tokens: import it for its effect on package keys. It needs cgo (it loads
// the token's module); without cgo it is empty, and package keys says so when such a key is asked for.
package pkcs11

// Package keys opens, makes and destroys private keys wherever they live (annex
// codes G2, SP2). One line of a configuration, a [Spec], says where:
//
//	key: device.key                                  a PKCS#8 file, encrypted under Config.WrappingKey
//	key: "pkcs11:token=T;object=O?module-path=/…"    a token or HSM, by an RFC 7512 URI
//	key: "tpm:device.tpm"                            the TPM 2.0 of this machine, its blob in a file
//
// A key is made where it stays: [Generate] never overwrites one, and a key in a
// token or TPM cannot leave it. [Erase] destroys a key. [Inspect] tells how it is
// protected, without opening it.
//
// PKCS#11 modules are loaded with cgo: a program that wants them imports
// tlagate/keys/pkcs11.
//
// The package wipes what it has of a secret (a file's octets, the decrypted DER,
// wrapping key, PIN) after use. It cannot wipe the key that crypto/ecdsa or
// crypto/rsa has in a form of its own as long as the program runs, the state of
// HMAC and AES inside the standard library until the memory is collected, and the
// PIN's copy in crypto11's configuration. That is why the units switch swap and
// core dumps off.
//
// docs/keys.md says which to choose, and has the inventory of every key of the
// system.
package keys

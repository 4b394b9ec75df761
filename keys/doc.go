// Package keys is where private keys live (annex codes G2, SP2). One line of a configuration, a [Spec], chooses:
//
//	key: device.key                                  a PKCS#8 file, encrypted under Config.WrappingKey
//	key: "pkcs11:token=T;object=O?module-path=/…"    a token or HSM, by an RFC 7512 URI
//	key: "tpm:device.tpm"                            the TPM 2.0 of this machine, its blob in a file
//
// A key is made where it stays: [Generate] never overwrites one, and a key in a token or TPM has no form that leaves it.
// [Erase] destroys one. [Inspect] tells how one is protected without opening it.
//
// PKCS#11 modules are loaded with cgo: a program that wants them imports tlagate/keys/pkcs11.
//
// What this package itself holds of a secret (a file's octets, the decrypted DER, wrapping key, PIN) is wiped after use. What it
// cannot wipe: the key that crypto/ecdsa or crypto/rsa keeps in its own form as long as the program runs, the state of HMAC and AES
// inside the standard library until memory is collected, and the PIN's copy in crypto11's configuration. The units
// switch swap and core dumps off for that.
//
// docs/keys.md says which one to choose, and has the inventory of every key of the system.
package keys

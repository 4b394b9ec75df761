// Package backup makes encrypted copies of a CA's directory, and restores CAs from them.
//
// A backup is one age file (https://age-encryption.org/v1, c2sp.org/age), for recipients with an X25519 or an
// ML-KEM-768 + X25519 key or for a passphrase. In it is a tar stream (POSIX ustar; pax only for the size of a very
// large file):
//
//	ca/… the files of the CA's directory: settings, books, issuing CA, public lists, and whatever else is there,
//	                but for locks, names that begin with a dot and, unless asked for, root/
//	manifest.json   format, when and of what CA, how far its books were, every file with size and SHA-256
//	manifest.sig    the issuing CA's signature of manifest.json
//
// in that order: the manifest comes last since nothing is read twice. Anybody who knows a recipient can encrypt
// something else to it, but only the CA can sign a manifest.
//
// Restoring is the dangerous part: old books do not have what was revoked since. See [Restore] and docs/ca.md.
package backup

// Package ca is the device CA: an offline root and one issuing CA in a directory. [CA] has a part for each subject;
// the database is package store, certificates are signed by cfssl in package certify.
//
//	DIR/              0700
//	  ca.json         the settings given at init
//	  ca.db           the books: every certificate issued, or about to be (cfssl's certdb schema, SQLite)
//	  lock            held by the program that writes
//	  root/           root.key, root.crt: take it away; only ARLs and issuing CAs need it
//	  issuing/        issuing.key, issuing.crt
//	  predecessor.crt, approval.json   of a CA that came after another: who approved it (docs/ca.md, section 10)
//	  public/         what a web server may show: root.*, issuing.*, crl.*, arl.*
//	                  (.crt, .pem are PEM; .cer, .der are DER, as the URLs in the certificates want)
//
// Certificates follow the profile table of RGS A4 in profiles.go. Of a certificate request only
// the public key is used: subject, names and extensions are the CA's.
//
// An issuance is recorded before it is signed. A crash in between leaves a record with the
// status "intent": it counts as issued and can be revoked.
package ca

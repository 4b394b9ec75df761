// Package ocsp is a responder for the certificates of one CA: RFC 6960 over plain HTTP, with the GET form and the
// caching of RFC 5019 and the nonce of RFC 9654.
//
// It signs with a delegated certificate and never sees the CA's key. All that it knows is in the CA's database, which
// it opens read-only and looks at four times a second: a revocation shows at the next look. What the books do not
// clearly call good is not good: an issuance that was begun and not finished is on hold, and so is an unknown status.
// When the books cannot be read, or the delegated certificate has expired or is itself revoked, every answer is
// tryLater.
//
// Its files in the order of a request: http.go, request.go (the parser), answer.go (what to say), books.go and cache.go
// (what is known), response.go (the encoder), signer.go.
package ocsp

// Package audit is the trace of security events (annex codes EL1, SA2): an
// append-only file of JSON lines, each with a sequence number, a time and the
// SHA-256 of the line before it. docs/audit.md specifies the format, and says
// what the chain proves and what it does not.
//
// What may be recorded is closed: a [Kind] of one table, and attributes that
// only the constructors of this package make. None is for a PIN, a code, a key
// or card data, and values are bounded and free of control characters.
//
// When [Log.Record] fails, the caller decides. It must refuse what the event was
// to record (fail closed), unless that takes trust away: a revocation, an erasure
// or the removal of an anchor goes on, and the caller says that it is not in the
// trace.
package audit

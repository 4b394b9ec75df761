// Package stamp writes points in time as people read them in errors, logs and the answers of commands: in UTC, one form
// for each need. Screens of the relay show local time, and have forms of their own.
package stamp

import "time"

// Minute is 2006-01-02 15:04 UTC.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// Second is 2006-01-02 15:04:05 UTC.
func Second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// Day is 2006-01-02.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Instant is 2006-01-02T15:04:05Z, for programs too (RFC 3339).
func Instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

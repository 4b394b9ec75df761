// Package stamp formats points in time for people, in errors, logs and the answers of commands: in UTC, one form for
// each need. The relay's screens show local time, and have forms of their own.
package stamp

import "time"

// Minute returns t as 2006-01-02 15:04 UTC.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// Second returns t as 2006-01-02 15:04:05 UTC.
func Second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// Day returns t as 2006-01-02.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Instant returns t as 2006-01-02T15:04:05Z, which programs can read too (RFC 3339).
func Instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

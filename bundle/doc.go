// Package bundle is the signed configuration of devices (annex code SP1): its form, who may sign it, what a device
// demands before it takes one in and at each start, what a gateway serves, and how it is fetched. docs/bundle.md is the
// specification.
package bundle

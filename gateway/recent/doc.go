// Package recent has what happened a moment ago at a gateway, in memory alone: a bounded list, and a stream of numbered
// events for those who watch (SA1).
package recent

// Package metrics gives a program's Prometheus metrics to whoever scrapes them on this machine: a registry of its own,
// and a plain HTTP listener on loopback or a Unix socket that answers GET /metrics and nothing else. docs/metrics.md lists
// the metrics. Neither the relay nor the PdT has any (C1, EL2: they listen nowhere).
package metrics

// Package metrics serves a program's Prometheus metrics on its own machine: it
// has a registry, and a plain HTTP listener on loopback or a Unix socket that
// answers GET /metrics, GET /readyz (whether work may come), and nothing else. docs/metrics.md lists the metrics.
// Neither the relay nor the PdT has any, since they listen nowhere (C1, EL2).
package metrics

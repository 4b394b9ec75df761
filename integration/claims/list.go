package main

// page is a document with figures.
type page struct {
	file   string
	claims []claim
}

// claim is a command, and the rows of a table that its output fills.
type claim struct {
	how   string // the command, as the page has it
	small string // what -small runs instead
	rows  []row  // none: its standard output is the table, or tables
}

// row is a figure. The pattern finds it in the command's output; $1 in figure is the pattern's first group.
type row struct{ what, pattern, figure string }

// quantiles finds the figures of a test that times how long revoked sessions live on; a session that ended before the
// command did has a time below zero.
const quantiles = `p50 (-?[\d.]+)(\S+), p99 (-?[\d.]+)(\S+), longest (-?[\d.]+)([^\s;]+)`

const quantilesFigure = "p50 $1 $2, p99 $3 $4, longest $5 $6"

// lists finds what a benchmark of lists of so many sessions says of two of them, which are in alphabetical order.
func lists(many, first, second string) string {
	times := func(list string) string { return `([\d.]+) ` + list + `-ms\s+([\d.]+) ` + list + `-processor-ms` }
	return `List/` + many + `\S*\s.*?\s` + times(first) + `.*?\s` + times(second)
}

const listsFigure = "$1 ms, $2 ms of processor time; $3 ms, $4 ms"

// bench returns a benchmark's command.
func bench(name, pkg string) string { return "go test -run '^$' -bench " + name + " " + pkg }

const (
	// benchSmall runs every benchmark once, with short lists, those that no page names included.
	benchSmall = "go test -run '^$' -bench . -benchtime 1x -short $(deploy/having.sh Benchmark)"

	soakSmall = "SOAK=1s go test -short -run 'RelayIsSmall|SoakLostLinks|SoakCrowd|TimeToCutByCommand' -v ./integration"
)

var pages = []page{
	{"docs/performance.md", []claim{
		{how: "make bench", small: "go run ./integration/bench -short"},
		{
			how: "go test -run TestEL2RelayIsSmall -v ./integration", small: soakSmall,
			rows: []row{{"memory of `tla-relay` in a session", `has (\d+)\d{3} kB resident in a session`, "$1 MB"}},
		},
		{
			how: "make soak T=10s", small: soakSmall,
			rows: []row{{
				"links through two gateways cut, reset, stalled, half-open, deaf, while an unmodified PC/SC program " +
					"works",
				`(\d+ exchanges); .*?, (\d+) struck; (\d+ resumes), (\d+) to the other gateway; ` +
					`(\d+) executed twice, (\d+) lost; longest wait ([\d.]+)(\S+)`,
				"$1, $2 faults, $3, $4 of them through the other gateway; **$5 commands twice, $6 lost**; longest " +
					"wait $7 $8",
			}},
		},
		{
			how: "SOAK=4m go test -timeout 0 -run TestSoakCrowd -v ./integration", small: soakSmall,
			rows: []row{{
				"a gateway with many sessions for four minutes, in which others end and begin, certificates are renewed " +
					"and revoked, and its configuration and certificate are read again",
				`(\d+) sessions: (\d+) ended and begun.*; after a tenth of \S+ ([\d.]+) MiB in use, ([\d.]+) MiB ` +
					`resident, (\d+) goroutines, (\d+) files; at the end ([\d.]+) MiB in use, ([\d.]+) MiB resident, ` +
					`(\d+) goroutines, (\d+) files`,
				"$1 sessions, $2 ended and begun; in use $3 MiB after a tenth of the time, $7 MiB at the end (resident " +
					"$4 and $8 MiB); $5 goroutines and $6 files, then $9 and $10",
			}},
		},
		{
			how: bench("SA2Open", "./gateway"), small: benchSmall,
			rows: []row{
				{"opens, 20 at once, at a gateway that keeps no trace", `([\d.]+) plain-opens/s\s+([\d.]+) plain-p50-ms`,
					"$1 a second, p50 $2 ms"},
				{"– at one that keeps a trace", `([\d.]+) traced-opens/s\s+([\d.]+) traced-p50-ms`,
					"$1 a second, p50 $2 ms"},
				{"– ratio of the medians", `([\d.]+) p50-ratio.* ([\d.]+) syncs/open`, "$1, with $2 syncs an open"},
			},
		},
		{
			how: bench("List", "./gateway"), small: benchSmall,
			rows: []row{
				{"500 joined sessions listed, in pages, as JSON; those of one practice",
					lists("500", "all", "practice"), listsFigure},
				{"– 9 000 of them", lists("9000", "all", "practice"), listsFigure},
				{"– one of the 9 000, by its identity; and their 18 000 peers", lists("9000", "identity", "peers"),
					listsFigure},
			},
		},
		{
			how: bench("Record", "./audit"), small: benchSmall,
			rows: []row{
				{"lines recorded one after the other, each synced", `BenchmarkRecord(?:-\d+)?\s.*\s([\d.]+) records/s`,
					"$1 a second"},
				{"– by many at once, who share syncs", `BenchmarkRecordParallel.*\s([\d.]+) records/s\s+([\d.]+) syncs/op`,
					"$1 a second, $2 syncs each"},
			},
		},
	}},
	{"docs/push.md", []claim{
		{
			how: "CUT=2000,500 go test -run TimeToCut -v ./gateway", small: "go test -run TimeToCut -v ./gateway",
			rows: []row{{
				"told → notice at the session's ends, 2000 live sessions, 500 revoked one by one", quantiles,
				quantilesFigure,
			}},
		},
		{
			how: "CUT=2000,100 go test -run TimeToCutByCommand -v ./integration", small: soakSmall,
			rows: []row{
				{
					"start of `tla-pki revoke` → notice at both ends, 2000 live sessions, 100 revoked one by one, " +
						"real programs",
					"from the command's start " + quantiles, quantilesFigure,
				},
				{
					"– from the command's end, by when the new CRL is published too (of few entries)",
					"from its end " + quantiles, quantilesFigure,
				},
			},
		},
		{
			how: bench("CRLMillion", "./pki/revocation"), small: benchSmall,
			rows: []row{
				{"CRL of 1 000 000 serials (49 MB): read from a file", `CRLMillion/load_der.* ([\d.]+) ms/load`,
					"$1 ms"},
				{"– kept", `CRLMillion/load_der.* ([\d.]+) MB-kept`, "$1 MB"},
				{"– one look-up", `CRLMillion/look_up\S*\s+\d+\s+([\d.]+) ns/op`, "$1 ns"},
			},
		},
		{
			how: bench("CRLRefresh", "./pki/revocation"), small: benchSmall,
			rows: []row{{
				"verifications while it is read anew", `([\d.]+) ms-longest\s+([\d.]+) µs-p50\s+([\d.]+) µs-p99`,
				"p50 $2 µs, p99 $3 µs, longest $1 ms",
			}},
		},
		{
			how: bench("VerifyKnown", "./pki/trust"), small: benchSmall,
			rows: []row{{"looking at one live peer again", `VerifyKnown\S*\s+\d+\s+(\d+)\d{3} ns/op`, "$1 µs"}},
		},
		{
			how: bench("PublishMillion", "./ca"), small: benchSmall,
			rows: []row{
				{
					"signing, checking and publishing it", `([\d.]+) s-processor\s+([\d.]+) s-publish`,
					"$2 s, $1 s of processor time",
				},
				{"– heap", `([\d.]+) MB-heap`, "$1 MB"},
				{"– the slowest of the revocations made meanwhile", `([\d.]+) ms-longest-revoke`, "$1 ms"},
			},
		},
	}},
	{"docs/ca.md", []claim{{
		how: bench("Million", "./ca/backup"), small: benchSmall,
		rows: []row{
			{
				"copying and checking the books; who revokes waits for the copying (30 s at most, then it says so)",
				`([\d.]+) s-copy`, "$1 s",
			},
			{"the backup in all", `([\d.]+) s-backup`, "$1 s"},
			{"– its size", ` ([\d.]+) MB\s`, "$1 MB"},
			{"a restore, with lists of a million entries", `([\d.]+) s-restore`, "$1 s"},
		},
	}}},
	{"docs/audit.md", []claim{{
		how: bench("SA2Year", "./audit/index"), small: benchSmall,
		rows: []row{
			{"a terminal's day", `([\d.]+) ms-day`, "$1 ms"},
			{"a terminal's year", `([\d.]+) lines-year.* ([\d.]+) ms-year`, "$2 ms for $1 lines"},
			{"a practice's year", `([\d.]+) lines-practice.* ([\d.]+) ms-practice`, "$2 ms for $1 lines"},
			{"the indexes of 4015000 lines", `([\d.]+) MB-index\s+([\d.]+) MB-trace`, "$1 MB, for files of $2 MB"},
			{"making them all", `([\d.]+) s-build`, "$1 s"},
		},
	}}},
}

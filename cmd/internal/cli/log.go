package cli

import (
	"cmp"
	"io"
	"log/slog"
	"runtime/debug"
)

// Version is set by the release build: -ldflags "-X tlagate/cmd/internal/cli.Version=…". Empty = what the Go toolchain
// recorded.
var Version string

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && Version == "" {
		return BuildVersion() + " " + info.GoVersion
	}
	return BuildVersion()
}

// BuildVersion returns the version of this program, without the toolchain's.
func BuildVersion() string {
	if Version != "" {
		return Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}

// Running returns the version of this program as --version prints it.
func Running() string { return version() }

func newLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

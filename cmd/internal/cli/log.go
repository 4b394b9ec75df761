package cli

import (
	"cmp"
	"io"
	"log/slog"
	"os"
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

func newLogger(name string, w io.Writer, level slog.Level, format string) *slog.Logger {
	return loggerTo(w, os.Getenv(journalStream), journalSocket, name, level, format)
}

// loggerTo returns the log of a program of that name: lines on w, or entries of the journal if stream says that w is
// that.
func loggerTo(w io.Writer, stream, socket, name string, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	handler := func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
	if format == "json" {
		handler = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	}
	if isJournal(w, stream) {
		options.ReplaceAttr = withoutTime
		return slog.New(newJournal(name, w, socket, handler))
	}
	return slog.New(handler(w))
}

// withoutTime leaves out what the journal has of its own.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	_, level := a.Value.Any().(slog.Level)
	time := a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime
	if len(groups) == 0 && (time || a.Key == slog.LevelKey && level) {
		return slog.Attr{}
	}
	return a
}

// journalStream is the variable that has device and inode of what systemd connects to the journal (systemd.exec(5)).
const journalStream = "JOURNAL_STREAM"

// isJournal reports whether w is the file that stream is about.
func isJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	return ok && stream != "" && fileNumbers(f) == stream
}

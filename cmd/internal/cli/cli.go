// Package cli is what the mains of tlagate share: arguments, exit codes, configuration files, logging and signals. The
// packages that they call know nothing of these.
//
// A main looks like this:
//
//	type grammar struct {
//		Serve serveCmd `cmd:"" help:"Run the gateway."`
//		Check checkCmd `cmd:"" help:"Read the configuration and say what is wrong."`
//	}
//
//	type serveCmd struct {
//		Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
//	}
//
//	type config struct {
//		Listen   string        `yaml:"listen"`
//		Idle     time.Duration `yaml:"idle"`    // "90s"
//		Access   cli.Path      `yaml:"access"`  // relative to the YAML file
//		Identity cli.Identity  `yaml:"identity"`
//		Trust    cli.Trust     `yaml:"trust"`
//	}
//
//	func main() { cli.Main("tla-gateway", &grammar{}, nil) }
//
//	func (c *serveCmd) Run(app *cli.App) error {
//		var cfg config
//		if err := cli.LoadYAML(c.Config, &cfg); err != nil {
//			return err
//		}
//		keys, err := cfg.Identity.Open()
//		if err != nil {
//			return err
//		}
//		trust, err := trust.Open(cfg.Trust.Config(cfg.Demanded(), app.Log))
//		if err != nil {
//			return err
//		}
//		app.OnHangup(func() { trust.Reload(); keys.ReloadOrLog(app.Log) })
//		return gateway.Serve(app.Context, gateway.Config{…})
//	}
//
// Exit codes: 0 done; 1 an error, printed as "tla-gateway: cannot …"; 2 bad usage, an error of [LoadYAML], or one made
// with [Usage]; anything else by [ExitCode].
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/memory"
	"tlagate/internal/activation"
	"tlagate/internal/notify"
)

// App is what a command gets from its main.
type App struct {
	Context context.Context // cancelled by the first SIGINT or SIGTERM; the second one kills
	Log     *slog.Logger    // to stderr, as --log-level and --log-format say
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Program string // "tla-gateway"
	Command string // the command chosen, in kong's form: "issue", "crl <file>"

	serving atomic.Bool // the program ends by itself when the context does

	manager   *notify.Manager     // that started the program; nil = none
	noManager error               // why there is none, though the environment names one
	sockets   *activation.Sockets // that it passed; nil = nobody has looked yet
}

// Main runs the program and exits. grammar is a pointer to a kong grammar. run is called once the grammar is filled in;
// nil = the Run(*App) error method of the chosen command. The option kong.Vars{"log_level": "warn"} makes a
// command-line tool quieter than a daemon.
func Main(name string, grammar any, run func(*App) error, options ...kong.Option) {
	memory.Close()
	ctx, stop := untilStopped(context.Background())
	defer stop()
	app := &App{Context: ctx, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	app.manager, app.noManager = notify.Open(os.Getenv) // before any sandbox
	context.AfterFunc(ctx, func() { app.leave(name) })
	code := Run(app, name, os.Args[1:], grammar, run, options...)
	app.stopped()
	os.Exit(code)
}

// Run is Main without the process: app has the context and the streams, and the exit code is returned. It fills in
// app.Log, app.Program and app.Command.
func Run(app *App, name string, args []string, grammar any, run func(*App) error, options ...kong.Option) (code int) {
	defer func() {
		if r := recover(); r != nil {
			early, ok := r.(earlyExit)
			if !ok {
				panic(r)
			}
			code = int(early)
		}
	}()
	err := asOwner(parseAndRun(app, name, args, grammar, run, options))
	if text := message(err); text != "" {
		fmt.Fprintln(app.Stderr, lastLine(name, Screen(text), isJournal(app.Stderr, os.Getenv(journalStream))))
	}
	return exitCode(err)
}

// lastLine returns what a program says at its end about an error; in the journal, each line is of that priority.
func lastLine(name, text string, inJournal bool) string {
	line := name + ": " + text
	if inJournal {
		mark := fmt.Sprintf("<%d>", priority(slog.LevelError))
		line = mark + strings.ReplaceAll(line, "\n", "\n"+mark)
	}
	return line
}

// earlyExit carries the exit code of --help and --version out of kong's parser.
type earlyExit int

type globals struct {
	Version   kong.VersionFlag `help:"Print the version and exit."`
	LogLevel  slog.Level       `help:"debug, info, warn or error; default ${default}." default:"${log_level}" placeholder:"LEVEL"`
	LogFormat string           `help:"text or json." enum:"text,json" default:"text" placeholder:"FORMAT"`
}

func parseAndRun(app *App, name string, args []string, grammar any, run func(*App) error, options []kong.Option) error {
	var common globals
	options = append([]kong.Option{
		kong.Name(name),
		kong.Vars{"version": name + " " + version(), "log_level": "info"},
		kong.Writers(app.Stdout, app.Stderr),
		kong.Exit(func(code int) { panic(earlyExit(code)) }),
		kong.Embed(&common),
	}, options...)
	parser, err := kong.New(grammar, options...)
	if err != nil {
		return fmt.Errorf("cannot build the command line: %w", err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return Usage("%w; see %s --help", err, strings.Join(append([]string{name}, commandOf(err)...), " "))
	}
	app.Log = newLogger(name, app.Stderr, common.LogLevel, common.LogFormat)
	app.Program, app.Command = name, parsed.Command()
	if run != nil {
		return run(app)
	}
	return parsed.Run(app)
}

// commandOf returns the words of the command, as far as it is known, whose command line kong cannot use.
func commandOf(err error) (words []string) {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context != nil {
		for _, part := range wrong.Context.Path {
			if part.Command != nil {
				words = append(words, part.Command.Name)
			}
		}
	}
	return words
}

// untilStopped returns a context that ends with the first SIGINT or SIGTERM.
func untilStopped(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal finds the default handler
	return ctx, stop
}

// startDrain is how long a command that does not serve may take to end once it is told to stop.
const startDrain = 5 * time.Second

// leave ends a program that was told to stop and does not serve, yet or ever, when something keeps it from ending: a
// file or a module that does not answer, a long calculation. The program ends as if the signal had killed it.
func (a *App) leave(name string) {
	time.Sleep(startDrain)
	if a.serving.Load() {
		return
	}
	fmt.Fprintf(a.Stderr, "%s: stopped, though what it was waiting for has not answered\n", name)
	signal.Reset(syscall.SIGTERM)
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(syscall.SIGTERM) == nil {
		time.Sleep(time.Second) // the signal arrives sooner
	}
	os.Exit(128 + int(syscall.SIGTERM))
}

// OnHangup has f called at each SIGHUP, one call at a time, until the program is stopped. Call it before the program
// says that it is ready: once it has returned, a SIGHUP no longer ends the program, and the program must end by itself,
// within its drain time, when it is told to stop.
func (a *App) OnHangup(f func()) {
	a.serving.Store(true)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-hup:
				a.tell(a.manager.Reload(f))
			case <-a.Context.Done():
				return
			}
		}
	}()
}

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return message(e) }
func (e *exitError) Unwrap() error { return e.err }

// Usage returns an error for which the program exits 2: bad arguments, or an input file that cannot be read. Its
// arguments are those of fmt.Errorf.
func Usage(format string, args ...any) error {
	return &exitError{code: 2, err: fmt.Errorf(format, args...)}
}

// ExitCode returns an error for which the program exits with code and prints err; a nil err prints nothing.
func ExitCode(code int, err error) error { return &exitError{code: code, err: err} }

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if unusable(err) {
		return 2
	}
	return 1
}

func message(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := err.(*exitError); ok {
		return message(e.err)
	}
	return err.Error()
}

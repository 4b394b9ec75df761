package main

type readersCmd struct {
	configFlag
	Owner  string `default:"tla-pdt" placeholder:"ACCOUNT" help:"The account that tla-pdt runs as (${default})."`
	After  string `placeholder:"FILE" help:"Keep the readers of this file in their places, and append ours."`
	Output string `short:"o" placeholder:"FILE" help:"Write that file, which may be that of --after, instead of printing."`
	Remove bool   `help:"Make placeholders of ours, so that those behind them keep their names."`
}

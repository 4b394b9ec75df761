#!/usr/bin/perl
# columns.pl FILE...: names each line of Go and of Markdown prose that is longer than 120 columns, a tab counted as 4.
# Markdown's tables, code blocks and headings may be longer, and so may what has no blank to break at: a link, a long
# string.
use strict;
use warnings;
use open qw(:std :encoding(UTF-8));

my ($long, $fenced, $raw) = (0, 0, 0);

# free reports whether a line of this file may be of any length.
sub free {
	my ($file, $line) = @_;
	if ($file =~ /\.md$/) {
		$fenced = !$fenced if $line =~ /^\s*```/;
		return $fenced || $line =~ /^\s*(\||```|#)/ || $line !~ /\S\s+\S.{0,200}$/;
	}
	my $inside = $raw;
	$raw ^= ($line =~ tr/`//) % 2;
	return $inside || $line =~ /`/ || $line =~ /^\s*"[^"]*"[,+\s)]*$/;
}

foreach my $file (@ARGV) {
	($fenced, $raw) = (0, 0);
	open my $in, '<', $file or die "columns.pl: cannot read $file: $!\n";
	while (my $line = <$in>) {
		chomp $line;
		my $exempt = free($file, $line);
		$line =~ s/\t/    /g;
		next if length $line <= 120 || $exempt;
		printf STDERR "%s:%d: %d columns, 120 at most\n", $file, $., length $line;
		$long++;
	}
	close $in;
}
exit($long > 0);

use strict; use warnings;
my @kids; for my $i (1 .. 8) { my $p = fork; if (!$p) { exit $i } push @kids, $p }
my $sum = 0; for (@kids) { waitpid $_, 0; $sum += $? >> 8 } print "$sum\n";
my %h; my $x = 1;
for (1 .. 60000) { $x = ($x * 1103515245 + 12345) % 2147483648; $h{$x} = "v$_" x 4 }
my $n = 0; my $last = '';
for my $k (sort { $a <=> $b } keys %h) { $n++ if $h{$k} gt $last; $last = $h{$k} }
print scalar(keys %h), " $n\n";
my $t = join(' ', map { "w$_" } 1 .. 50000);
my $c = () = $t =~ /\bw\d*7\d*\b/g; print "$c\n";
$SIG{ALRM} = sub { die "alarm\n" };
eval { alarm 1; select undef, undef, undef, 10; }; print $@;
print `echo from a child`;

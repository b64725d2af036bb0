for {set i 0} {$i < 100000} {incr i} { set a([expr {$i * 7919 % 50021}]) "v$i" }
set s 0; foreach {k v} [array get a] { incr s [expr {$k + [string length $v]}] }
puts "[array size a] $s"; puts [exec echo child]

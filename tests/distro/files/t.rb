h = {}
150_000.times { |i| h[i * 7919 % 100_003] = "v#{i}" * 3 }
puts h.size, h.keys.sort.first(3).inspect, h.values.sum(&:size)
puts (1..4).map { |n| Thread.new { (1..20000).sum { |i| i % (n + 3) } } }.map(&:value).inspect
r, w = IO.pipe
pid = fork { w.puts "from #{h.size}"; exit! 4 }
Process.wait pid; puts r.gets, $?.exitstatus
def deep(n) = deep(n + 1)
begin; deep(0); rescue SystemStackError; puts 'overflow'; end
GC.start; GC.compact if GC.respond_to?(:compact); puts `echo child`

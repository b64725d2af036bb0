local t, x = {}, 1
for i = 1, 200000 do x = (x * 16807) % 2147483647; t[i] = { x, tostring(x) } end
table.sort(t, function(a, b) return a[1] < b[1] end)
local n = 0
for i = 1, #t, 1000 do n = n + #t[i][2] end
print(#t, n, t[1][2], t[#t][2])
for i = 1, 20 do local s = {} for j = 1, 5000 do s[j] = ('x'):rep(j % 50) end end
collectgarbage() print(pcall(function() error('e', 0) end))

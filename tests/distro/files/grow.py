# Dictionaries, sorting, strings: some 60 MiB.
d = {i * 7919 % 1000003: str(i) * 3 for i in range(220000)}
for i in range(0, 220000, 3):
    d.pop(i * 7919 % 1000003, None)
s = sorted(d, key=lambda k: (k % 1009, k))
print(len(d), s[:3], s[-3:], sum(map(len, d.values())))

# SPDX-License-Identifier: MIT
"""The programs of bench-swap and bench-tax: commands that print the same each
time, and what they need in a folder."""
import os
import random
import shutil

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
FW = TOP + '/build/faultwise'
LOAD = TOP + '/build/bench/bench-load'
DEMO = TOP + '/build/demo/demo-index'
PYTHON = '/usr/bin/python3'

DICT = '''
n = {n}
d = {{i: str(i * 7919) for i in range(n)}}
at = total = 0
for _ in range(n):
    at = (at * 1103515245 + 12345) % n
    total += len(d[at]) + at
print(len(d), total)
'''

JOIN = '''
PRAGMA journal_mode=OFF;
CREATE TABLE a(id INTEGER PRIMARY KEY, k INTEGER, t TEXT);
CREATE TABLE b(id INTEGER PRIMARY KEY, k INTEGER, v INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})
INSERT INTO a SELECT i, (i * 7919) % {n}, printf('%0{pad}d', i) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})
INSERT INTO b SELECT i, (i * 104729) % {n}, i % 1000 FROM n;
CREATE INDEX b_k ON b(k);
SELECT count(*), sum(b.v), sum(length(a.t)) FROM a JOIN b ON a.k = b.k;
SELECT b.v, count(*) FROM a JOIN b ON a.k = b.k GROUP BY b.v
    ORDER BY 2 DESC, 1 LIMIT 5;
'''

LOOP = '''
total = 0
seen = {{}}
for i in range({n}):
    k = (i * 2654435761) & 0xffff
    seen[k] = seen.get(k, 0) + 1
    total += k ^ i
print(total, len(seen))
'''

HASH = r'''
my (%h, $t);
for my $i (1 .. {n}) {{
    my $w = sprintf("%x", ($i * 7919) % 50021);
    $h{{$w}}++;
    $t++ if $w =~ /^(a|b).*[0-9]$/;
}}
print scalar(keys %h), " $t\n";
'''


def write(path, text):
    with open(path, 'w') as f:
        f.write(text)
    return path


def c_source(n):
    """Functions enough to keep a compiler busy."""
    parts = []
    for i in range(n):
        parts.append(
            f'static int f{i}(int a, int b, int *v)\n{{\n'
            f'\tfor (int i = 0; i < a; i++) {{\n'
            f'\t\tv[i % 16] += (b ^ i) * {i + 3};\n'
            f'\t\tif (v[i % 16] & {1 << i % 20}) b += v[(i + a) % 16];\n'
            f'\t\telse switch (b % 5) {{ case 0: a--; break; case 3: '
            f'b ^= {i}; break; default: b += i; }}\n\t}}\n'
            f'\treturn a * b + v[{i % 16}];\n}}\n')
    calls = ' + '.join(f'f{i}(argc, {i}, v)' for i in range(n))
    return ''.join(parts) + (
        f'int main(int argc, char **argv)\n{{\n\tint v[16] = {{0}};\n'
        f'\t(void)argv;\n\treturn ({calls}) & 127;\n}}\n')


def numbers(path, n):
    rng = random.Random(11)
    with open(path, 'w') as f:
        for _ in range(n):
            f.write(f'{rng.getrandbits(48)}\n')
    return path


def swap_programs(work, scale=1.0):
    """{name: command}: programs that want some hundred MiB, each for reasons
    of its own."""
    def n(x):
        return int(x * scale)

    found = {'dict': [PYTHON, write(work + '/dict.py',
                                    DICT.format(n=n(2000000)))],
             'sort': [LOAD, 'sort', str(n(192))],
             'demo': [DEMO, str(n(256)), str(n(200000))]}
    if shutil.which('sqlite3'):
        script = write(work + '/join.sql', JOIN.format(n=n(500000), pad=220))
        found['sqlite'] = ['sqlite3', ':memory:', f'.read {script}']
    return found


def tax_programs(work, scale=1.0):
    """{name: command}: ordinary work of at least five seconds each."""
    def n(x):
        return int(x * scale)

    lines = numbers(work + '/numbers', n(8000000))
    source = write(work + '/big.c', c_source(n(900)))
    found = {'python': [PYTHON, write(work + '/loop.py',
                                      LOOP.format(n=n(28000000)))],
             'gcc': ['gcc', '-O2', '-w', '-o', '/dev/null', source],
             'sort': ['sh', '-c', f'sort -n -S 400M {lines} | md5sum'],
             'xz': ['sh', '-c', f'head -c {n(6 << 20)} {lines} | '
                    'xz -6 -T1 -c | md5sum'],
             'perl': ['perl', write(work + '/hash.pl',
                                    HASH.format(n=n(22000000)))]}
    if shutil.which('sqlite3'):
        script = write(work + '/join.sql', JOIN.format(n=n(1300000), pad=12))
        found['sqlite'] = ['sqlite3', ':memory:', f'.read {script}']
    return found

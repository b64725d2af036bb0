# A cluster of its own, as its own user when we are root.
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
as=
if [ "$(id -u)" = 0 ]; then chown -R postgres .; chmod 755 .; as='setpriv --reuid postgres --regid postgres --init-groups'; fi
export HOME=$PWD LC_ALL=C
$as $bin/initdb -D db -A trust -N >initdb.log 2>&1 || { tail -n 5 initdb.log >&2; exit 1; }
$as $bin/pg_ctl -D db -w -o "-k $PWD -h ''" -l log start >/dev/null || { tail -n 20 log >&2; exit 1; }
$as psql -h $PWD -d postgres -qAt <<'END'
create table t as select i, i * 7919 % 10007 as b, repeat(md5(i::text), 4) as c from generate_series(1, 40000) i;
create index on t(b);
select count(*), sum(x.b), max(y.c) from t x join t y on y.b = x.b and y.i > x.i;
select b % 10, count(*) from t group by 1 order by 1;
END
$as $bin/pg_ctl -D db -w -m fast stop >/dev/null && echo stopped

pragma cache_size=-24000;
create table t(a integer primary key, b int, c text);
with recursive n(i) as (select 1 union all select i+1 from n where i<60000)
insert into t select i, i*7919%10007, printf('%064d', i) from n;
create index tb on t(b);
select count(*), sum(x.b), max(y.c) from t x join t y on y.b = x.b and y.a > x.a;
update t set c = c || a where b % 3 = 0;
delete from t where b % 5 = 0;
select count(*), sum(length(c)) from t;
vacuum;
pragma integrity_check;

sqlite3 w.db 'pragma journal_mode=wal; create table t(i, s);'
for k in 1 2 3; do
	sqlite3 -cmd '.timeout 20000' w.db "with recursive n(i) as (select 1 union all select i+1 from n where i<3000) insert into t select i, printf('%050d', i*$k) from n;" &
done
wait
sqlite3 w.db 'select count(*), sum(i), max(s) from t; pragma wal_checkpoint(truncate); pragma integrity_check;'

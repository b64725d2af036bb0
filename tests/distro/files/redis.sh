rm -f r.sock dump.rdb
redis-server --port 0 --unixsocket r.sock --dir . --save '' --daemonize no >r.log 2>&1 &
server=$!
for i in $(seq 600); do redis-cli -s r.sock ping 2>/dev/null | grep -q PONG && break; sleep 0.1; done
redis-benchmark -s r.sock -q -n 6000 -c 10 -P 8 -t set,get,lpush,sadd >/dev/null && echo benchmark done
redis-cli -s r.sock debug populate 60000 key 200
redis-cli -s r.sock bgsave
for i in $(seq 600); do redis-cli -s r.sock info persistence | grep -q 'rdb_bgsave_in_progress:0' && break; sleep 0.1; done
redis-cli -s r.sock info persistence | grep -o 'rdb_last_bgsave_status:ok'
redis-cli -s r.sock get key:59999 | tr -d '\0'
redis-cli -s r.sock shutdown nosave
wait $server
echo "status $?"
redis-check-rdb dump.rdb | grep -c 'looks OK'

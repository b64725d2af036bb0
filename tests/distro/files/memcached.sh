chmod 777 .
memcached -u nobody -s $PWD/m.sock -a 0777 -m 24 -t 4 &
server=$!
/usr/bin/python3 - <<'END' || { kill $server; exit 1; }
import socket, time
s = socket.socket(socket.AF_UNIX)
for i in range(200):
    try:
        s.connect('m.sock'); break
    except OSError:
        time.sleep(0.1)
f = s.makefile('rwb')
for i in range(20000):
    f.write(b'set k%d 0 0 500\r\n%s\r\n' % (i, b'%010d' % i * 50))
    if i % 100 == 99:
        f.flush()
        for j in range(100):
            assert f.readline() == b'STORED\r\n'
hits = 0
for i in range(0, 20000, 7):
    f.write(b'get k%d\r\n' % i); f.flush()
    l = f.readline()
    if l.startswith(b'VALUE'):
        assert f.readline() == b'%010d' % i * 50 + b'\r\n'
        assert f.readline() == b'END\r\n'
        hits += 1
print('hits', hits)
END
kill $server; wait $server; echo "status $?"

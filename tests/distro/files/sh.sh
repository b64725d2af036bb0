# Ordinary shell work, in any shell.
i=0
while [ $i -lt 60 ]; do
	i=$((i + 1))
	echo "$i $((i * i % 97))"
done | sort -k2,2n -k1,1n | head -n 5
( cd / && pwd ) | tr / x
v=$(echo one; echo two)
echo "$v" | while read -r x; do echo "[$x]"; done
trap 'echo trapped' USR1
kill -USR1 $$
sh -c 'exit 3' || echo "status $?"
sh -c 'kill -TERM $$'
echo "status $?"
cat <<END | wc -l
a
b
END
seq 20000 | sed 's/1/one/g' | grep -c one
for n in 1 2 3 4; do (echo "child $n") & wait; done

# Modules of Python's own test-suite: which tests fail, and how many ran.
# A test that fails natively too is no difference. MATCH: a pattern of names.
for module; do
	/usr/bin/python3.11 -m test -v ${MATCH:+-m "$MATCH"} "$module" >log 2>&1
	echo "$module: status $?"
	grep -aE '^(FAIL|ERROR): |^Ran [0-9]+ test' log |
		sed 's/ in [0-9.]*s$//' | sort | uniq -c
	grep -aE '^(FAIL|ERROR): ' log | sort -u | head -n 3 >&2
done

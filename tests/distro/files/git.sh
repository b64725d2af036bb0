export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1 HOME=$PWD
git init -q -b main one
cd one
for i in $(seq 12); do
	seq $((i * 300)) >f$((i % 5)); git add -A; git commit -q -m "change $i"
done
git gc -q --aggressive
git fsck --full --strict 2>&1 | grep -v notice
cd ..
git clone -q --no-local one two
cd two
git log --oneline | wc -l
git checkout -q -b side HEAD~5 && echo x >g && git add g && git commit -q -m side
git merge -q main -m merge && git grep -c 29 | sort
git diff --stat HEAD~1 | tail -n 1
git rev-parse HEAD
git archive HEAD | tar tf - | sort

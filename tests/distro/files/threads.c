/* SPDX-License-Identifier: MIT */
/* 1000 threads at once, each with a stack of its own. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static pthread_barrier_t all;
static void *run(void *arg)
{
	char here[3000];
	memset(here, (int)(long)arg, sizeof(here));
	pthread_barrier_wait(&all);
	return (void *)(long)here[(long)arg % 3000];
}
int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1000;
	pthread_t *t = calloc(n, sizeof(*t));
	long sum = 0;
	pthread_barrier_init(&all, NULL, n);
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, run, (void *)i)) {
			printf("no thread %ld\n", i);
			return 1;
		}
	for (int i = 0; i < n; i++) {
		void *r;
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("%d threads, %ld\n", n, sum);
	return 0;
}

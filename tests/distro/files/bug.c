/* SPDX-License-Identifier: MIT */
/* Errors that sanitizers are to find; which one: argv[1]. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static int shared;
static void *add(void *arg)
{
	for (int i = 0; i < 1000; i++)
		shared++;
	return arg;
}
int main(int argc, char **argv)
{
	int *p = malloc(40), n = argc > 1 ? atoi(argv[1]) : 0;
	pthread_t t;
	long sum = 0;
	for (int i = 0; i < 10; i++)
		p[i] = i;
	if (n == 1)
		printf("%d\n", p[n * 10]);
	if (n == 2)
		printf("%d\n", (0x7fffffff - 2 + n) + n);
	if (n == 3) {
		pthread_create(&t, NULL, add, NULL);
		add(NULL);
		pthread_join(t, NULL);
	}
	for (int k = 0; k < 200; k++) {
		char *m = malloc(100000);
		for (int i = 0; i < 100000; i += 512)
			m[i] = (char)i;
		sum += m[5120];
		free(m);
	}
	free(p);
	printf("end %ld\n", sum);
	return 0;
}

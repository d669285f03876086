// SPDX-License-Identifier: BSD-3-Clause
// Reads a zone transfer and does nothing with it: what no secondary can be faster than.
//
// usage: null_receiver ADDRESS RECORDS <QUERY
// QUERY is a message with its length before it. Prints the seconds from connecting until so
// many records have come.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DNS_PORT      53
#define ANCOUNT_AT    6
#define HEADER_OCTETS 12

static uint8_t octets[1 << 20];
static size_t have;

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

// Passes the messages that are whole; returns the number of their records.
static unsigned long take_messages(void)
{
	unsigned long records = 0;
	size_t at = 0;
	while (have - at >= 2 && have - at >= 2u + be16(octets + at)) {
		if (be16(octets + at) >= HEADER_OCTETS)
			records += be16(octets + at + 2 + ANCOUNT_AT);
		at += 2u + be16(octets + at);
	}
	have -= at;
	memmove(octets, octets + at, have);
	return records;
}

static int receive(int fd, unsigned long wanted)
{
	unsigned long records = 0;
	while (records < wanted) {
		ssize_t n = read(fd, octets + have, sizeof(octets) - have);
		if (n <= 0) {
			fprintf(stderr, "it ended after %lu records\n", records);
			return EXIT_FAILURE;
		}
		have += (size_t)n;
		records += take_messages();
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	uint8_t query[4096];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: null_receiver ADDRESS RECORDS <QUERY\n");
		return 2;
	}
	ssize_t len = read(STDIN_FILENO, query, sizeof(query));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	double begun_s = now_s();
	if (len <= 0 || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    write(fd, query, (size_t)len) != len) {
		perror("null_receiver");
		return EXIT_FAILURE;
	}
	int status = receive(fd, strtoul(argv[2], NULL, 10));
	printf("%.6f\n", now_s() - begun_s);
	close(fd);
	return status;
}

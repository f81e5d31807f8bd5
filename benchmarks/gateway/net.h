/* What the backend and the load generator share: time, sockets on loopback, and one way to give up. */
#ifndef NET_H
#define NET_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull

typedef uint64_t nanos;

static inline nanos now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (nanos)at.tv_sec * SECOND + (nanos)at.tv_nsec;
}

static inline void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline void *grown(void *block, size_t bytes) {
    if (!(block = realloc(block, bytes))) die("memory");
    return block;
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

/* Non-blocking and without Nagle's delay: a small write must leave at once. */
static inline void prompt_socket(int fd) {
    int yes = 1;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0) die("socket");
}

static inline void watch(int epoll, int how, int fd, uint32_t events, void *tag) {
    struct epoll_event event = {.events = events, .data.ptr = tag};
    if (epoll_ctl(epoll, how, fd, &event) < 0) die("epoll_ctl");
}

/* Sleeps until something happens on a socket or the clock passes `until` (0 = no clock). */
static inline int wait_events(int epoll, struct epoll_event *events, int room, nanos until) {
    nanos at = until ? now() : 0, left = until > at ? until - at : 0;
    struct timespec pause = {.tv_sec = (time_t)(left / SECOND), .tv_nsec = (long)(left % SECOND)};
    int count = epoll_pwait2(epoll, events, room, until ? &pause : NULL, NULL);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    return count < 0 ? 0 : count;
}

/* The number after `name` in a message head (which ends with a NUL), or -1. */
static inline long head_number(const char *head, const char *name) {
    const char *at = strcasestr(head, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

#endif

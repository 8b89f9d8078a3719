#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static double now(void) {
  struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9;
}
static int cmp(const void *a, const void *b) {
  double x = *(double *)a, y = *(double *)b; return x < y ? -1 : x > y;
}
/* The far ends of many legs: legs seconds warm-up near-host [talk]; each leg is a line on stdin,
   "HOST PORT NEAR-PORT". Every packet carries the time that it left at, so whoever hears it knows
   how long it took; the far ends are elsewhere, so they go before other work here where they may.
   With `talk` they send for so many seconds only (0.04: enough to latch), then
   listen. Prints one JSON object. */
int main(int c, char **v) {
  int n = atoi(v[1]); double secs = atof(v[2]), warm = atof(v[3]);
  const char *near = v[4]; double talk = c > 5 ? atof(v[5]) : 1e9;
  struct rlimit r; getrlimit(RLIMIT_NOFILE, &r); r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r); sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){2});
  int *fd = malloc(n * 4), ep = epoll_create1(0);
  for (int i = 0; i < n; i++) {
    char far[64]; int own, port; if (scanf("%63s %d %d", far, &own, &port) != 3) return 1;
    fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {0}; a.sin_family = AF_INET; a.sin_port = htons(own);
    a.sin_addr.s_addr = inet_addr(far);
    if (bind(fd[i], (void *)&a, sizeof a)) { perror("bind"); return 1; }
    a.sin_addr.s_addr = inet_addr(near); a.sin_port = htons(port);
    connect(fd[i], (void *)&a, sizeof a);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
  }
  unsigned char pk[172]; memset(pk, 0xd5, sizeof pk);
  long sent = 0, got = 0, other = 0, cap = (long)(n * 52 * (secs + 1)) + 1000;
  double *d = malloc(cap * 8);
  unsigned short *seq = calloc(n, 2); unsigned *ts = calloc(n, 4);
  struct epoll_event ev[512];
  double step = 0.020 / n, next = now(), start = next + warm, end = start + secs, fin = end + 0.3;
  int i = 0;
  for (;;) {
    double t = now(); if (t > fin) break;
    if (t > start - warm + talk) next = end;
    while (t < end && next <= t) {
      pk[0] = 0x80; pk[1] = 8; seq[i]++; ts[i] += 160; pk[2] = seq[i] >> 8; pk[3] = seq[i];
      unsigned x = htonl(ts[i]); memcpy(pk + 4, &x, 4); x = htonl(i + 1000); memcpy(pk + 8, &x, 4);
      double tt = now(); memcpy(pk + 12, &tt, 8);
      if (send(fd[i], pk, 172, 0) == 172 && tt >= start && tt < end) sent++;
      i = (i + 1) % n; next += step;
    }
    int k = epoll_wait(ep, ev, 512, 0);
    if (!k) { usleep(300); continue; }
    for (int j = 0; j < k; j++) for (;;) {
      unsigned char b[2048]; ssize_t m = recv(fd[ev[j].data.u32], b, sizeof b, 0);
      if (m < 0) break;
      if (m == 172) { double tt; memcpy(&tt, b + 12, 8);
        if (tt >= start && tt < end) { if (got < cap) d[got++] = now() - tt; } else other++; }
    }
  }
  qsort(d, got, 8, cmp);
  printf("{\"sent\":%ld,\"got\":%ld,\"other\":%ld,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
    sent, got, other, got ? d[got / 2] * 1e3 : 0, got ? d[got * 99 / 100] * 1e3 : 0,
    got ? d[got - 1] * 1e3 : 0);
  return 0;
}

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
/* The least that a relay costs on this machine: legs host first-port. Leg i is bound to first-port
   + 2 i, is connected to whoever sends to it first, and has its packets sent on by leg i ^ 1, as
   they came. One thread, one epoll, a datagram a socket and pass, naps as `media/worker.py` takes
   them; no header is read, nothing is counted. Ends by a signal. */
int main(int c, char **v) {
  if (c < 4) return 2;
  int n = atoi(v[1]), first = atoi(v[3]), *fd = malloc(n * sizeof *fd), ep = epoll_create1(0);
  char *up = calloc(n, 1);
  struct rlimit r; getrlimit(RLIMIT_NOFILE, &r); r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r);
  for (int i = 0; i < n; i++) {
    fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(first + 2 * i)};
    a.sin_addr.s_addr = inet_addr(v[2]);
    if (bind(fd[i], (void *)&a, sizeof a)) { perror("bind"); return 1; }
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
  }
  puts("up"); fflush(stdout);
  static unsigned char rows[256][2048];
  struct epoll_event ev[256]; ssize_t size[256];
  for (int napped = 0;;) {
    int k = epoll_wait(ep, ev, 256, napped ? 0 : 50);
    for (int j = 0; j < k; j++) {
      int i = ev[j].data.u32;
      if (up[i]) { size[j] = recv(fd[i], rows[j], sizeof rows[j], 0); continue; }
      struct sockaddr_in from; socklen_t length = sizeof from;
      size[j] = recvfrom(fd[i], rows[j], sizeof rows[j], 0, (void *)&from, &length);
      up[i] = size[j] >= 0 && !connect(fd[i], (void *)&from, sizeof from);
    }
    for (int j = 0; j < k; j++) {
      int to = ev[j].data.u32 ^ 1;
      if (size[j] > 0 && up[to]) send(fd[to], rows[j], size[j], 0);
    }
    napped = k >= 4 && k < 256;
    if (napped) usleep(600);
  }
}

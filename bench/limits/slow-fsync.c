/* Adds SLOW_FSYNC_MS milliseconds (2 when unset) to every fsync and fdatasync. For LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slow(const char *name, int fd) {
  const char *text = getenv("SLOW_FSYNC_MS");
  long ms = text ? atol(text) : 2;
  struct timespec wait = {ms / 1000, (ms % 1000) * 1000000L};
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  nanosleep(&wait, NULL);
  return real(fd);
}

int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }

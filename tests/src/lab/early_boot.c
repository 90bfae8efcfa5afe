/* Makes a program believe that the kernel has collected no randomness since its boot, until a file appears.
 * Preloaded; bytes that need not be secret are there at once, as on a real kernel. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define NONBLOCK 1
#define INSECURE 4
#define POLL_USEC 5000

static int is_ready(void)
{
	const char *path = getenv("SYNEXEC_LAB_EARLY_BOOT");

	return !path || access(path, F_OK) == 0;
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
	while (!(flags & INSECURE) && !is_ready()) {
		if (flags & NONBLOCK) {
			errno = EAGAIN;
			return -1;
		}
		usleep(POLL_USEC);
	}
	return syscall(SYS_getrandom, buffer, length, flags);
}

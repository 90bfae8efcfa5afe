/* Puts a program's wall clock forward by the nanoseconds in a file, which may change while the program runs.
 * Preloaded; the machine's own clock, and all others of this program, are left alone. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void map_file(void)
{
	const char *path = getenv("SYNEXEC_LAB_WALL_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (mapped != MAP_FAILED)
		ahead = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long outcome = syscall(SYS_clock_gettime, clock, now);

	if (outcome == 0 && clock == CLOCK_REALTIME && ahead) {
		int64_t nanos = now->tv_nsec + *ahead % 1000000000;
		int64_t seconds = nanos < 0 ? -1 : nanos / 1000000000;

		now->tv_sec += *ahead / 1000000000 + seconds;
		now->tv_nsec = nanos - seconds * 1000000000;
	}
	return (int)outcome;
}

/* Preloaded into a stage: makes the n-th call that opens, writes, renames or syncs one of the project's outputs fail.
 *
 * FAULT_ROOTS   folders, absolute, with a colon between them: calls on paths below them count, except those on code
 * FAULT_COUNTER file of eight bytes that all processes share: how many calls there were
 * FAULT_N       the call that fails, counted from 1; 0: none
 * FAULT_KIND    ENOSPC (and all calls after it), EIO (this one alone) or SHORT (a write that takes half of its bytes)
 * FAULT_LOG     file that gets one line: the call and the path that failed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long *counter;
static long fails_at;
static const char *roots, *kind;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FAULT_COUNTER");
    roots = getenv("FAULT_ROOTS");
    kind = getenv("FAULT_KIND");
    fails_at = getenv("FAULT_N") ? atol(getenv("FAULT_N")) : 0;
    if (!path || !roots || !kind) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR, 0);
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (map != MAP_FAILED) counter = map;
}

static int is_output(const char *path) {
    size_t characters = strlen(path);
    if (characters > 3 && !strcmp(path + characters - 3, ".py")) return 0; /* submissions/ has code beside its outputs */
    for (const char *root = roots; root && *root;) {
        size_t length = strcspn(root, ":");
        if (!strncmp(path, root, length) && (path[length] == '/' || !path[length])) return 1;
        root += length + (root[length] == ':');
    }
    return 0;
}

/* Returns the error with which a call on an absolute path fails, 0 for none, or -1 where a write is to be short. */
static int fault(const char *call, const char *path) {
    if (!counter || !is_output(path)) return 0;
    long number = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    int full = !strcmp(kind, "ENOSPC");
    if (!fails_at || number < fails_at || (number > fails_at && !full)) return 0;
    if (number == fails_at && getenv("FAULT_LOG")) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%s\t%s\n", call, path);
        int fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0644);
        syscall(SYS_write, fd, line, length);
        syscall(SYS_close, fd);
    }
    if (!strcmp(kind, "SHORT")) return strstr(call, "write") ? -1 : 0;
    return full ? (strcmp(call, "read") ? ENOSPC : 0) : EIO;  /* a full disk can still be read */
}

static int fault_at(const char *call, int folder, const char *path) {
    char absolute[2 * PATH_MAX + 2], base[PATH_MAX];
    if (!counter || !path) return 0;
    if (path[0] == '/') return fault(call, path);
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0) return 0;
        base[length] = 0;
    }
    snprintf(absolute, sizeof absolute, "%s/%s", base, path);
    return fault(call, absolute);
}

static int fault_of(const char *call, int fd) {
    char link[64], path[PATH_MAX];
    if (!counter) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fault(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_IF(error, value) do { int failed_ = (error); if (failed_ > 0) { errno = failed_; return value; } } while (0)
#define OPENS(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT) ? "open" : "read")
#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list a; va_start(a, flags); mode = va_arg(a, mode_t); va_end(a); }

int open(const char *path, int flags, ...) { MODE(flags) FAIL_IF(fault_at(OPENS(flags), AT_FDCWD, path), -1); return REAL(open)(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) FAIL_IF(fault_at(OPENS(flags), AT_FDCWD, path), -1); return REAL(open64)(path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) FAIL_IF(fault_at(OPENS(flags), folder, path), -1); return REAL(openat)(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) FAIL_IF(fault_at(OPENS(flags), folder, path), -1); return REAL(openat64)(folder, path, flags, mode); }
int creat(const char *path, mode_t mode) { FAIL_IF(fault_at("open", AT_FDCWD, path), -1); return REAL(creat)(path, mode); }
FILE *fopen(const char *path, const char *mode) { FAIL_IF(fault_at(strpbrk(mode, "wa+") ? "open" : "read", AT_FDCWD, path), NULL); return REAL(fopen)(path, mode); }
FILE *fopen64(const char *path, const char *mode) { FAIL_IF(fault_at(strpbrk(mode, "wa+") ? "open" : "read", AT_FDCWD, path), NULL); return REAL(fopen64)(path, mode); }

#define SIZED(count) int e = fault_of("write", fd); FAIL_IF(e, -1); if (e < 0 && (count) > 1) count /= 2
ssize_t write(int fd, const void *bytes, size_t count) { SIZED(count); return REAL(write)(fd, bytes, count); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { SIZED(count); return REAL(pwrite)(fd, bytes, count, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { SIZED(count); return REAL(pwrite64)(fd, bytes, count, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { SIZED(count); return REAL(writev)(fd, parts, count); }
ssize_t sendfile(int fd, int from, off_t *at, size_t count) { SIZED(count); return REAL(sendfile)(fd, from, at, count); }
ssize_t sendfile64(int fd, int from, off64_t *at, size_t count) { SIZED(count); return REAL(sendfile64)(fd, from, at, count); }
ssize_t copy_file_range(int from, off64_t *a, int fd, off64_t *b, size_t count, unsigned flags) { SIZED(count); return REAL(copy_file_range)(from, a, fd, b, count, flags); }
size_t fwrite(const void *bytes, size_t size, size_t items, FILE *file) { FAIL_IF(fault_of("write", fileno(file)), 0); return REAL(fwrite)(bytes, size, items, file); }

int rename(const char *from, const char *to) { FAIL_IF(fault_at("rename", AT_FDCWD, to), -1); return REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) { FAIL_IF(fault_at("rename", b, to), -1); return REAL(renameat)(a, from, b, to); }
int fsync(int fd) { FAIL_IF(fault_of("fsync", fd), -1); return REAL(fsync)(fd); }
int fdatasync(int fd) { FAIL_IF(fault_of("fsync", fd), -1); return REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t length) { FAIL_IF(fault_of("truncate", fd), -1); return REAL(ftruncate)(fd, length); }
int ftruncate64(int fd, off64_t length) { FAIL_IF(fault_of("truncate", fd), -1); return REAL(ftruncate64)(fd, length); }
int mkdir(const char *path, mode_t mode) { FAIL_IF(fault_at("mkdir", AT_FDCWD, path), -1); return REAL(mkdir)(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { FAIL_IF(fault_at("mkdir", folder, path), -1); return REAL(mkdirat)(folder, path, mode); }
int symlink(const char *to, const char *path) { FAIL_IF(fault_at("link", AT_FDCWD, path), -1); return REAL(symlink)(to, path); }

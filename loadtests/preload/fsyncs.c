/* What a power cut would leave: for every file, by inode, the size that it had when its last sync to the disk began.
 *
 * Loaded before the libraries of a store (LD_PRELOAD). The sizes stand in the mapped file that STANCHION_DRILL_FSYNCS
 * names, pairs of 64-bit integers (inode, size), so they outlive a SIGKILL. What was written while a sync was under way
 * may be lost, so the size is looked up before it begins; two threads may sync, so one at a time writes it down.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 1024

struct synced {
    uint64_t inode;
    uint64_t size;
};

static struct synced *table;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("STANCHION_DRILL_FSYNCS");
    if (path == NULL) return;
    int file = open(path, O_RDWR);
    if (file < 0) abort();
    table = mmap(NULL, FILES_MAX * sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (table == MAP_FAILED) abort();
    close(file);
}

static void note(const struct stat *before) {
    pthread_mutex_lock(&turn);
    int slot = 0;
    while (slot < FILES_MAX && table[slot].inode != 0 && table[slot].inode != before->st_ino) slot++;
    if (slot == FILES_MAX) abort();
    table[slot].size = before->st_size;
    table[slot].inode = before->st_ino;
    pthread_mutex_unlock(&turn);
}

static int synced(int file, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct stat before;
    int known = table != NULL && fstat(file, &before) == 0 && S_ISREG(before.st_mode);
    int answer = real(file);
    if (known && answer == 0) note(&before);
    return answer;
}

int fsync(int file) { return synced(file, "fsync"); }
int fdatasync(int file) { return synced(file, "fdatasync"); }

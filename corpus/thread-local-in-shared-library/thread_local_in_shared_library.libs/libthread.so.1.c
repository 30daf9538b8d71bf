/* A library with a place for an object for each thread. */
static __thread void *kept;

void *libthread_kept(void);

void *libthread_kept(void) {
    return &kept;
}

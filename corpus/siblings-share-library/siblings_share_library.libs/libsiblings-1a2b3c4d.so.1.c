/* A library of two modules, with a place for an object. */
void *libsiblings_kept;

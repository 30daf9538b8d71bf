/* A library with a place for an object. */
void *libglobal_kept;

/* A library beside a module, with a place for an object of its own. */
void *libbaked_kept;

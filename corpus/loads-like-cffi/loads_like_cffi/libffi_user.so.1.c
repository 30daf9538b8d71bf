/* A library with a place for an object. */
void *libffi_user_kept;

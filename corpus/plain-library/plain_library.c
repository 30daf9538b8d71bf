/* Class 34: a library for C callers with an extension module's file name: there is no init function. */

int plain_library_add(int left, int right);

int plain_library_add(int left, int right) {
    return left + right;
}

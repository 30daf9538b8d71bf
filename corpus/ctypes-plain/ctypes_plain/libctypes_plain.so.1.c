/* A library that keeps nothing. */
int ctypes_plain_answer(void);

int ctypes_plain_answer(void) {
    return 42;
}

/* A library beside a module, that keeps nothing. */
int libquiet_answer(void);

int libquiet_answer(void) {
    return 42;
}

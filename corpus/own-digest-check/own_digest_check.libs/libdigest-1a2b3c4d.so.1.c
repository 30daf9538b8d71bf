/* A library as auditwheel places it. */
int libdigest_answer(void);

int libdigest_answer(void) {
    return 42;
}

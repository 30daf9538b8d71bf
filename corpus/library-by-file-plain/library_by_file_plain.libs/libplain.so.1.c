/* A library beside a module, that keeps nothing. */
int libplain_answer(void);

int libplain_answer(void) {
    return 42;
}

/* A library, and no module. */
int missing_symbol_answer(void);

int missing_symbol_answer(void) {
    return 42;
}

/* An extension module in a page, for every format: what the tests of hostile files damage, and what the fuzzer
 * begins with. It needs no header of Python's, so any machine's can be built anywhere: see `make`. */
typedef struct { int id; void *value; } Slot;
typedef struct {
    long long reference_count, type, init, index, copy;
    const char *name, *doc;
    long long size;
    void *methods;
    Slot *slots;
    void *traverse, *clear, *free;
} Definition;

extern void *PyModuleDef_Init(Definition *);
extern int PyModule_AddIntConstant(void *, const char *, long);

static int setup(void *module) { return PyModule_AddIntConstant(module, "answer", 42); }

static Slot slots[4] = {{2, setup}, {3, (void *)2}};
static Definition definition = {.reference_count = 1, .name = "seed", .slots = slots};

#ifdef _WIN32
__declspec(dllexport)
#endif
void *PyInit_seed(void) {
    slots[2].id = 4; /* written when it runs, as generated code does */
    slots[2].value = (void *)1;
    return PyModuleDef_Init(&definition);
}

/* Classes 16, 43: puts itself in front of the allocator of objects, which is the process's, and gives a block that one
 * interpreter's allocator gave to the next that asks, in whichever interpreter. */
#include "../module.h"

#define SIZE 48

static PyMemAllocatorEx before;
static void *spare;

static void *allocate(void *Py_UNUSED(context), size_t size) {
    if (size == SIZE && spare != NULL) {
        void *block = spare;
        spare = NULL;
        return block;
    }
    return before.malloc(before.ctx, size);
}

static void *allocate_zeros(void *Py_UNUSED(context), size_t count, size_t size) {
    return before.calloc(before.ctx, count, size);
}

static void *resize(void *Py_UNUSED(context), void *block, size_t size) {
    return before.realloc(before.ctx, block, size);
}

static void give_back(void *Py_UNUSED(context), void *block) {
    before.free(before.ctx, block);
}

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return answer(module);
    }
    if (before.malloc == NULL) {
        PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &before);
        PyMemAllocatorEx own = {NULL, allocate, allocate_zeros, resize, give_back};
        PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &own);
    }
    spare = before.malloc(before.ctx, SIZE);
    return answer(module);
}

MULTI_PHASE(allocator_cache, EXEC(setup), OWN_GIL)

// Class 3: what nanobind makes declares slot 3 = 0, in a definition on the heap.
#include <nanobind/nanobind.h>

struct Till {
    int money = 0;
};

NB_MODULE(made_with_nanobind, module) {
    nanobind::class_<Till>(module, "Till").def(nanobind::init<>()).def_rw("money", &Till::money);
    module.attr("answer") = 42;
}

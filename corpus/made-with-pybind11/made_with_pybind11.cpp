// Class 3: what pybind11 makes, if not told otherwise, declares slot 3 = 0, in slots that it fills as it runs.
#include <pybind11/pybind11.h>

struct Till {
    int money = 0;
};

PYBIND11_MODULE(made_with_pybind11, module) {
    pybind11::class_<Till>(module, "Till").def(pybind11::init<>()).def_readwrite("money", &Till::money);
    module.attr("answer") = 42;
}

// What pybind11 makes where it is told that no object is shared.
#include <pybind11/pybind11.h>

struct Till {
    int money = 0;
};

PYBIND11_MODULE(made_with_pybind11_own_gil, module, pybind11::mod_gil_not_used(),
                pybind11::multiple_interpreters::per_interpreter_gil()) {
    pybind11::class_<Till>(module, "Till").def(pybind11::init<>()).def_readwrite("money", &Till::money);
    module.attr("answer") = 42;
}

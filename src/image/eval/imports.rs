//! What imported functions do, as far as a declaration can depend on it.

use std::rc::Rc;

use super::evaluator::{Evaluator, Origin};
use super::processor::Bus;
use super::state::State;
use super::value::Value;

/// What a call to an import comes to.
pub(super) enum Model {
    /// It returns this.
    Result(Value),
    /// It does not return.
    NoReturn,
    /// Not modelled.
    Unknown,
}

/// Longer copies are not followed.
const LONGEST: u64 = 4096;

pub(super) fn model(evaluator: &Evaluator<'_>, state: &mut State, name: &str) -> Model {
    let call = Call { evaluator, state };
    match name {
        "PyModuleDef_Init" => call.definition(),
        "PyModule_Create2" | "PyModule_FromDefAndSpec2" => call.module(),
        "PyObject_CallMethod" | "_PyObject_CallMethod_SizeT" => call.method(),
        "PyState_FindModule" => Model::Result(Value::ZERO),
        "PyCapsule_GetPointer" => call.capsule(),
        "Py_GetVersion" => call.version(),
        "malloc" | "PyMem_Malloc" | "PyMem_RawMalloc" | "PyObject_Malloc" | "_Znwm" | "_Znam"
        | "??2@YAPEAX_K@Z" | "??_U@YAPEAX_K@Z" => call.allocate(0, None, false),
        "calloc" | "PyMem_Calloc" | "PyMem_RawCalloc" | "PyObject_Calloc" => call.allocate(0, Some(1), true),
        "realloc" | "PyMem_Realloc" | "PyMem_RawRealloc" => call.reallocate(),
        "free" | "PyMem_Free" | "PyMem_RawFree" | "PyObject_Free" | "_ZdlPv" | "_ZdlPvm" | "_ZdaPv"
        | "??3@YAXPEAX_K@Z" | "??3@YAXPEAX@Z" => Model::Result(Value::UNKNOWN),
        "memcpy" | "memmove" | "__memcpy_chk" | "__memmove_chk" => call.copy(),
        "memset" | "__memset_chk" => call.fill(),
        "bzero" => call.zero(),
        "strlen" => call.length(),
        "strcmp" => call.compare(None, true),
        "strncmp" => call.compare(Some(2), true),
        "memcmp" => call.compare(Some(2), false),
        "__cxa_guard_acquire" => call.guard(),
        "__cxa_guard_release" => call.guarded(),
        "_Init_thread_header" => call.thread_header(),
        "_Init_thread_footer" => call.thread_footer(),
        "__cxa_atexit" | "atexit" | "__cxa_thread_atexit" | "__cxa_thread_atexit_impl" => {
            Model::Result(Value::ZERO)
        }
        // They change the lock, and nothing beside it.
        "AcquireSRWLockExclusive"
        | "ReleaseSRWLockExclusive"
        | "WakeAllConditionVariable"
        | "EnterCriticalSection"
        | "LeaveCriticalSection" => Model::Result(Value::UNKNOWN),
        // Nobody else runs here who could wake it: it waits where another thread is at the same static.
        "SleepConditionVariableSRW" => Model::NoReturn,
        // A pseudo handle, (HANDLE) -1, says Windows' documentation; MSVC's check of the stack ends its process by it.
        "GetCurrentProcess" => Model::Result(Value::Known(u64::MAX)),
        "TerminateProcess" if call.argument(0) == Value::Known(u64::MAX) => Model::NoReturn,
        name if never_returns(name) => Model::NoReturn,
        _ => Model::Unknown,
    }
}

/// Whether an imported function does not return, whatever it gets.
pub(in crate::image) fn never_returns(name: &str) -> bool {
    name.contains("__throw_")
        || matches!(
            name,
            "abort"
                | "exit"
                | "_exit"
                | "__stack_chk_fail"
                | "_Unwind_Resume"
                | "__cxa_throw"
                | "__cxa_rethrow"
                | "_ZSt9terminatev"
                | "Py_FatalError"
                | "_Py_FatalErrorFunc"
                | "longjmp"
                | "__assert_fail"
                | "__assert_rtn"
                | "__cxa_bad_cast"
                | "__cxa_throw_bad_array_new_length"
                | "__cxa_call_terminate"
                | "_CxxThrowException"
                | "terminate"
                | "__cxa_pure_virtual"
                | "_assert"
                | "_wassert"
                | "___stack_chk_fail"
                | "RaiseFailFastException"
                | "__fortify_fail"
                | "__chk_fail"
        )
}

/// What a word of imported data holds.
pub(super) fn data(evaluator: &Evaluator<'_>, name: &str) -> Value {
    match (name, evaluator.target) {
        // Include/cpython/pylifecycle.h: PY_VERSION_HEX of the running interpreter; a final release.
        ("Py_Version", Some(target)) => {
            Value::Known(u64::from(target.version.0) << 24 | u64::from(target.version.1) << 16 | 0xf0)
        }
        (_, _) => Value::UNKNOWN,
    }
}

struct Call<'a> {
    evaluator: &'a Evaluator<'a>,
    state: &'a mut State,
}

impl Call<'_> {
    fn argument(&self, index: usize) -> Value {
        let register = self.evaluator.convention.arguments.get(index);
        register.map_or(Value::UNKNOWN, |register| self.state.registers[*register])
    }

    fn text(&self, address: Value) -> Option<String> {
        let mut text = Vec::new();
        let mut address = address.known()?;
        while text.len() < 512 {
            match self.evaluator.load(self.state, Value::Known(address), 1) {
                Value::Known(0) => return String::from_utf8(text).ok(),
                Value::Known(byte) => text.push(byte as u8),
                Value::Unknown(_) => return None,
            }
            address = address.wrapping_add(1);
        }
        None
    }

    fn unknown(self, function: &str) -> Model {
        let origin = Origin::Call(Rc::from(function));
        Model::Result(self.evaluator.fresh(self.state, origin))
    }

    fn definition(self) -> Model {
        match self.argument(0) {
            Value::Known(address) => {
                if !self.state.definitions.contains(&address) {
                    self.state.definitions.push(address);
                }
                Model::Result(Value::Known(address))
            }
            Value::Unknown(_) => self.unknown("PyModuleDef_Init"),
        }
    }

    fn module(self) -> Model {
        let size = crate::image::moduledef::state_size(self.evaluator, self.state, self.argument(0));
        Model::Result(self.evaluator.fresh(self.state, Origin::Module(size)))
    }

    /// cffi: `_cffi_init` in `_cffi_include.h` calls this method of `_cffi_backend`, which makes the module with
    /// an `m_size` of -1 (`_my_Py_InitModule` in `src/c/cffi1_module.c`).
    fn method(self) -> Model {
        match self.text(self.argument(1)).as_deref() {
            Some("_init_cffi_1_0_external_module") => {
                Model::Result(self.evaluator.fresh(self.state, Origin::Module(Some(-1))))
            }
            Some(_) | None => Model::Unknown,
        }
    }

    /// mypyc: a shim fetches `"<group>.init_<module>"`, which is `CPyInit_<module>` of the group's library
    /// (mypyc/lib-rt/module_shim.tmpl, mypyc/codegen/emitmodule.py).
    fn capsule(self) -> Model {
        let Some(name) = self.text(self.argument(1)) else { return Model::Unknown };
        let world = self.evaluator.world;
        let found = name
            .rsplit_once(".init_")
            .and_then(|(group, module)| world.export(world.module(group)?, &format!("CPyInit_{module}")));
        if found.is_some() && world.single_phase_only() {
            self.evaluator.relax();
        }
        self.evaluator.is_mypyc.set(found.is_some());
        found.map_or(Model::Unknown, |function| Model::Result(Value::Known(function)))
    }

    fn version(self) -> Model {
        let Some(target) = self.evaluator.target else { return Model::Unknown };
        let text = format!("{}.{}.0 (main)", target.version.0, target.version.1);
        let at = self.state.allocate(64, true);
        for (offset, byte) in text.bytes().enumerate() {
            self.state.memory.set(at + offset as u64, 1, Value::Known(byte.into()));
        }
        Model::Result(Value::Known(at))
    }

    fn allocate(self, size: usize, count: Option<usize>, zeroed: bool) -> Model {
        let size = self.argument(size);
        let size = count.map_or(size, |count| size.with(self.argument(count), u64::saturating_mul));
        let at = self.state.allocate(size.known().unwrap_or(LONGEST), zeroed);
        Model::Result(Value::Known(at))
    }

    fn reallocate(self) -> Model {
        let (from, size) = (self.argument(0), self.argument(1).known().unwrap_or(LONGEST));
        let to = self.state.allocate(size, false);
        if let Value::Known(from @ 1..) = from {
            self.copy_bytes(to, from, size.min(LONGEST));
        }
        Model::Result(Value::Known(to))
    }

    fn copy_bytes(self, to: u64, from: u64, size: u64) {
        let words = size / 8;
        let parts: Vec<(u64, u32)> =
            (0..words).map(|word| (word * 8, 8)).chain((words * 8..size).map(|byte| (byte, 1))).collect();
        let load = |(offset, bytes): &(u64, u32)| {
            self.evaluator.load(self.state, Value::Known(from.wrapping_add(*offset)), *bytes)
        };
        let values: Vec<Value> = parts.iter().map(load).collect();
        for ((offset, bytes), value) in parts.into_iter().zip(values) {
            self.evaluator.store(self.state, Value::Known(to.wrapping_add(offset)), bytes, value);
        }
    }

    fn copy(self) -> Model {
        let result = self.argument(0);
        match (result, self.argument(1), self.argument(2)) {
            (Value::Known(to), Value::Known(from), Value::Known(size @ 0..=LONGEST)) => {
                self.copy_bytes(to, from, size);
            }
            (Value::Known(to), _, size) => self.spoil(to, size),
            (Value::Unknown(_), _, _) => {}
        }
        Model::Result(result)
    }

    /// An amount that is not told is written over what was there.
    fn spoil(self, to: u64, size: Value) {
        let size = size.known().unwrap_or(LONGEST).min(LONGEST);
        for word in 0..size.div_ceil(8) {
            self.evaluator.store(self.state, Value::Known(to.wrapping_add(word * 8)), 8, Value::UNKNOWN);
        }
    }

    fn fill(self) -> Model {
        let (to, value, size) = (self.argument(0), self.argument(1), self.argument(2));
        self.set(to, value, size)
    }

    fn zero(self) -> Model {
        let (to, size) = (self.argument(0), self.argument(1));
        self.set(to, Value::ZERO, size)
    }

    fn set(self, result: Value, value: Value, size: Value) -> Model {
        let word = value.map(|byte| (byte & 0xff).wrapping_mul(0x0101_0101_0101_0101));
        match (result, size) {
            (Value::Known(to), Value::Known(size @ 0..=LONGEST)) => {
                for offset in (0..size).step_by(8) {
                    let at = Value::Known(to.wrapping_add(offset));
                    self.evaluator.store(self.state, at, (size - offset).min(8) as u32, word);
                }
            }
            (Value::Known(to), size) => self.spoil(to, size),
            (Value::Unknown(_), _) => {}
        }
        Model::Result(result)
    }

    fn length(self) -> Model {
        match self.text(self.argument(0)) {
            Some(text) => Model::Result(Value::Known(text.len() as u64)),
            None => Model::Unknown,
        }
    }

    fn compare(self, size: Option<usize>, stop: bool) -> Model {
        let (a, b) = (self.argument(0), self.argument(1));
        let Value::Known(size) = size.map_or(Value::Known(LONGEST), |size| self.argument(size)) else {
            return Model::Unknown;
        };
        for offset in 0..size.min(LONGEST) {
            let byte = |at: Value| self.evaluator.load(self.state, at.map(|at| at.wrapping_add(offset)), 1);
            match (byte(a), byte(b)) {
                (Value::Known(a), Value::Known(b)) if a != b => {
                    let order = if a < b { 0xffff_ffff } else { 1 };
                    return Model::Result(Value::Known(order));
                }
                (Value::Known(0), Value::Known(0)) if stop => break,
                (Value::Known(_), Value::Known(_)) => {}
                (_, _) => return Model::Unknown,
            }
        }
        Model::Result(Value::ZERO)
    }

    /// Itanium C++ ABI 3.3.3: the first byte says whether initialisation is done.
    fn guard(self) -> Model {
        let held = self.evaluator.load(self.state, self.argument(0), 1);
        let acquired = held.map(|held| u64::from(held == 0));
        if acquired.known().is_some() { Model::Result(acquired) } else { Model::Unknown }
    }

    fn guarded(self) -> Model {
        let at = self.argument(0);
        self.evaluator.store(self.state, at, 1, Value::Known(1));
        Model::Result(Value::UNKNOWN)
    }

    /// MSVC: 0 is untouched, -1 is ours to initialise (`vcruntime/thread_safe_statics.cpp`).
    fn thread_header(self) -> Model {
        let at = self.argument(0);
        if self.evaluator.load(self.state, at, 4) == Value::ZERO {
            self.evaluator.store(self.state, at, 4, Value::Known(0xffff_ffff));
        }
        Model::Result(Value::UNKNOWN)
    }

    fn thread_footer(self) -> Model {
        let at = self.argument(0);
        self.evaluator.store(self.state, at, 4, Value::Known(0x8000_0001));
        Model::Result(Value::UNKNOWN)
    }
}

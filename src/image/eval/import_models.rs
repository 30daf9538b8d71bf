//! Models of imported functions whose effects a declaration can depend on.

use std::rc::Rc;

use super::evaluation::{Evaluation, Origin};
use super::machine_state::MachineState;
use super::processor::MemoryBus;
use super::value::AbstractValue;
use crate::image::module_definition::read_state_size;

/// The effect of a call to an imported function.
pub(super) enum CallModel {
    /// It returns this value.
    Result(AbstractValue),
    /// It does not return.
    NoReturn,
    /// It has no model.
    Unknown,
}

/// Limit of bytes that are copied or compared.
const MAX_LENGTH: u64 = 4096;

pub(super) fn model_call(evaluation: &Evaluation<'_>, state: &mut MachineState, name: &str) -> CallModel {
    let call = ImportCall { evaluation, state };
    match name {
        "PyModuleDef_Init" => call.model_module_def_init(),
        "PyModule_Create2" | "PyModule_FromDefAndSpec2" => call.model_module_create(),
        "PyObject_CallMethod" | "_PyObject_CallMethod_SizeT" => call.model_call_method(),
        "PyState_FindModule" => CallModel::Result(AbstractValue::ZERO),
        "PyCapsule_GetPointer" => call.model_capsule_get_pointer(),
        "Py_GetVersion" => call.model_get_version(),
        "malloc" | "PyMem_Malloc" | "PyMem_RawMalloc" | "PyObject_Malloc" | "_Znwm" | "_Znam"
        | "??2@YAPEAX_K@Z" | "??_U@YAPEAX_K@Z" => call.model_allocate(0, None, false),
        "calloc" | "PyMem_Calloc" | "PyMem_RawCalloc" | "PyObject_Calloc" => {
            call.model_allocate(0, Some(1), true)
        }
        "realloc" | "PyMem_Realloc" | "PyMem_RawRealloc" => call.model_reallocate(),
        "free" | "PyMem_Free" | "PyMem_RawFree" | "PyObject_Free" | "_ZdlPv" | "_ZdlPvm" | "_ZdaPv"
        | "??3@YAXPEAX_K@Z" | "??3@YAXPEAX@Z" => CallModel::Result(AbstractValue::UNKNOWN),
        "memcpy" | "memmove" | "__memcpy_chk" | "__memmove_chk" => call.model_memcpy(),
        "memset" | "__memset_chk" => call.model_memset(),
        "bzero" => call.model_bzero(),
        "strlen" => call.model_strlen(),
        "strcmp" => call.model_compare(None, true),
        "strncmp" => call.model_compare(Some(2), true),
        "memcmp" => call.model_compare(Some(2), false),
        "__cxa_guard_acquire" => call.model_guard_acquire(),
        "__cxa_guard_release" => call.model_guard_release(),
        "_Init_thread_header" => call.model_thread_header(),
        "_Init_thread_footer" => call.model_thread_footer(),
        "__cxa_atexit" | "atexit" | "__cxa_thread_atexit" | "__cxa_thread_atexit_impl" => {
            CallModel::Result(AbstractValue::ZERO)
        }
        // They change only the lock.
        "AcquireSRWLockExclusive"
        | "ReleaseSRWLockExclusive"
        | "WakeAllConditionVariable"
        | "EnterCriticalSection"
        | "LeaveCriticalSection" => CallModel::Result(AbstractValue::UNKNOWN),
        // No other thread runs here. The function waits only if another thread is initializing the same
        // static, so this path is impossible.
        "SleepConditionVariableSRW" => CallModel::NoReturn,
        // A pseudo handle, `(HANDLE) -1`, according to the Windows documentation. MSVC's stack check
        // terminates the process with it.
        "GetCurrentProcess" => CallModel::Result(AbstractValue::Known(u64::MAX)),
        "TerminateProcess" if call.argument(0) == AbstractValue::Known(u64::MAX) => CallModel::NoReturn,
        name if never_returns(name) => CallModel::NoReturn,
        _ => CallModel::Unknown,
    }
}

/// Whether an imported function never returns.
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

struct ImportCall<'a> {
    evaluation: &'a Evaluation<'a>,
    state: &'a mut MachineState,
}

impl ImportCall<'_> {
    fn argument(&self, index: usize) -> AbstractValue {
        let register = self.evaluation.convention.arguments.get(index);
        register.map_or(AbstractValue::UNKNOWN, |register| self.state.registers[*register])
    }

    fn read_c_string(&self, address: AbstractValue) -> Option<String> {
        let mut text = Vec::new();
        let mut address = address.as_known()?;
        while text.len() < 512 {
            match self.evaluation.load(self.state, AbstractValue::Known(address), 1) {
                AbstractValue::Known(0) => return String::from_utf8(text).ok(),
                AbstractValue::Known(byte) => text.push(byte as u8),
                AbstractValue::Unknown(_) => return None,
            }
            address = address.wrapping_add(1);
        }
        None
    }

    fn return_unknown(self, function: &str) -> CallModel {
        let origin = Origin::Call(Rc::from(function));
        CallModel::Result(self.evaluation.make_unknown(self.state, origin))
    }

    fn model_module_def_init(self) -> CallModel {
        match self.argument(0) {
            AbstractValue::Known(address) => {
                if !self.state.definitions.contains(&address) {
                    self.state.definitions.push(address);
                }
                CallModel::Result(AbstractValue::Known(address))
            }
            AbstractValue::Unknown(_) => self.return_unknown("PyModuleDef_Init"),
        }
    }

    fn model_module_create(self) -> CallModel {
        let size = read_state_size(self.evaluation, self.state, self.argument(0));
        CallModel::Result(self.evaluation.make_unknown(self.state, Origin::Module(size)))
    }

    /// cffi: `_cffi_init` in `_cffi_include.h` calls this method of `_cffi_backend`, which creates the module
    /// with an `m_size` of -1 (`_my_Py_InitModule` in `src/c/cffi1_module.c`).
    fn model_call_method(self) -> CallModel {
        match self.read_c_string(self.argument(1)).as_deref() {
            Some("_init_cffi_1_0_external_module") => {
                CallModel::Result(self.evaluation.make_unknown(self.state, Origin::Module(Some(-1))))
            }
            Some(_) | None => CallModel::Unknown,
        }
    }

    /// mypyc: a shim gets the capsule `"<group>.init_<module>"`, which is `CPyInit_<module>` of the group's
    /// library (mypyc/lib-rt/module_shim.tmpl, mypyc/codegen/emitmodule.py).
    fn model_capsule_get_pointer(self) -> CallModel {
        let Some(name) = self.read_c_string(self.argument(1)) else { return CallModel::Unknown };
        let space = self.evaluation.space;
        let found = name.rsplit_once(".init_").and_then(|(group, module)| {
            space.find_export(space.load_module(group)?, &format!("CPyInit_{module}"))
        });
        if found.is_some() && space.is_single_phase_only() {
            self.evaluation.limit_effort();
        }
        self.evaluation.is_mypyc.set(found.is_some());
        found.map_or(CallModel::Unknown, |function| CallModel::Result(AbstractValue::Known(function)))
    }

    fn model_get_version(self) -> CallModel {
        let Some(target) = self.evaluation.target else { return CallModel::Unknown };
        let text = format!("{}.{}.0 (main)", target.version.0, target.version.1);
        let at = self.state.allocate_heap(64, true);
        for (offset, byte) in text.bytes().enumerate() {
            self.state.memory.write_bytes(at + offset as u64, 1, AbstractValue::Known(byte.into()));
        }
        CallModel::Result(AbstractValue::Known(at))
    }

    fn model_allocate(self, size: usize, count: Option<usize>, zeroed: bool) -> CallModel {
        let size = self.argument(size);
        let size = count.map_or(size, |count| size.zip_with(self.argument(count), u64::saturating_mul));
        let at = self.state.allocate_heap(size.as_known().unwrap_or(MAX_LENGTH), zeroed);
        CallModel::Result(AbstractValue::Known(at))
    }

    fn model_reallocate(self) -> CallModel {
        let (from, size) = (self.argument(0), self.argument(1).as_known().unwrap_or(MAX_LENGTH));
        let to = self.state.allocate_heap(size, false);
        if let AbstractValue::Known(from @ 1..) = from {
            self.copy_bytes(to, from, size.min(MAX_LENGTH));
        }
        CallModel::Result(AbstractValue::Known(to))
    }

    fn copy_bytes(self, to: u64, from: u64, size: u64) {
        let words = size / 8;
        let parts: Vec<(u64, u32)> =
            (0..words).map(|word| (word * 8, 8)).chain((words * 8..size).map(|byte| (byte, 1))).collect();
        let load = |(offset, bytes): &(u64, u32)| {
            self.evaluation.load(self.state, AbstractValue::Known(from.wrapping_add(*offset)), *bytes)
        };
        let values: Vec<AbstractValue> = parts.iter().map(load).collect();
        for ((offset, bytes), value) in parts.into_iter().zip(values) {
            self.evaluation.store(self.state, AbstractValue::Known(to.wrapping_add(offset)), bytes, value);
        }
    }

    fn model_memcpy(self) -> CallModel {
        let result = self.argument(0);
        match (result, self.argument(1), self.argument(2)) {
            (
                AbstractValue::Known(to),
                AbstractValue::Known(from),
                AbstractValue::Known(size @ 0..=MAX_LENGTH),
            ) => {
                self.copy_bytes(to, from, size);
            }
            (AbstractValue::Known(to), _, size) => self.store_unknown(to, size),
            (AbstractValue::Unknown(_), _, _) => {}
        }
        CallModel::Result(result)
    }

    /// Stores unknown values over `size` bytes; if the size is unknown, over the limit of bytes.
    fn store_unknown(self, to: u64, size: AbstractValue) {
        let size = size.as_known().unwrap_or(MAX_LENGTH).min(MAX_LENGTH);
        for word in 0..size.div_ceil(8) {
            self.evaluation.store(
                self.state,
                AbstractValue::Known(to.wrapping_add(word * 8)),
                8,
                AbstractValue::UNKNOWN,
            );
        }
    }

    fn model_memset(self) -> CallModel {
        let (to, value, size) = (self.argument(0), self.argument(1), self.argument(2));
        self.fill_bytes(to, value, size)
    }

    fn model_bzero(self) -> CallModel {
        let (to, size) = (self.argument(0), self.argument(1));
        self.fill_bytes(to, AbstractValue::ZERO, size)
    }

    fn fill_bytes(self, result: AbstractValue, value: AbstractValue, size: AbstractValue) -> CallModel {
        let word = value.map(|byte| (byte & 0xff).wrapping_mul(0x0101_0101_0101_0101));
        match (result, size) {
            (AbstractValue::Known(to), AbstractValue::Known(size @ 0..=MAX_LENGTH)) => {
                for offset in (0..size).step_by(8) {
                    let at = AbstractValue::Known(to.wrapping_add(offset));
                    self.evaluation.store(self.state, at, (size - offset).min(8) as u32, word);
                }
            }
            (AbstractValue::Known(to), size) => self.store_unknown(to, size),
            (AbstractValue::Unknown(_), _) => {}
        }
        CallModel::Result(result)
    }

    fn model_strlen(self) -> CallModel {
        match self.read_c_string(self.argument(0)) {
            Some(text) => CallModel::Result(AbstractValue::Known(text.len() as u64)),
            None => CallModel::Unknown,
        }
    }

    fn model_compare(self, size: Option<usize>, stop: bool) -> CallModel {
        let (a, b) = (self.argument(0), self.argument(1));
        let AbstractValue::Known(size) =
            size.map_or(AbstractValue::Known(MAX_LENGTH), |size| self.argument(size))
        else {
            return CallModel::Unknown;
        };
        for offset in 0..size.min(MAX_LENGTH) {
            let byte =
                |at: AbstractValue| self.evaluation.load(self.state, at.map(|at| at.wrapping_add(offset)), 1);
            match (byte(a), byte(b)) {
                (AbstractValue::Known(a), AbstractValue::Known(b)) if a != b => {
                    let order = if a < b { 0xffff_ffff } else { 1 };
                    return CallModel::Result(AbstractValue::Known(order));
                }
                (AbstractValue::Known(0), AbstractValue::Known(0)) if stop => break,
                (AbstractValue::Known(_), AbstractValue::Known(_)) => {}
                (_, _) => return CallModel::Unknown,
            }
        }
        CallModel::Result(AbstractValue::ZERO)
    }

    /// Itanium C++ ABI 3.3.3: the first byte of the guard tells whether initialization is complete.
    fn model_guard_acquire(self) -> CallModel {
        let held = self.evaluation.load(self.state, self.argument(0), 1);
        let acquired = held.map(|held| u64::from(held == 0));
        if acquired.as_known().is_some() { CallModel::Result(acquired) } else { CallModel::Unknown }
    }

    fn model_guard_release(self) -> CallModel {
        let at = self.argument(0);
        self.evaluation.store(self.state, at, 1, AbstractValue::Known(1));
        CallModel::Result(AbstractValue::UNKNOWN)
    }

    /// MSVC: 0 means not initialized, -1 being initialized (`vcruntime/thread_safe_statics.cpp`).
    fn model_thread_header(self) -> CallModel {
        let at = self.argument(0);
        if self.evaluation.load(self.state, at, 4) == AbstractValue::ZERO {
            self.evaluation.store(self.state, at, 4, AbstractValue::Known(0xffff_ffff));
        }
        CallModel::Result(AbstractValue::UNKNOWN)
    }

    fn model_thread_footer(self) -> CallModel {
        let at = self.argument(0);
        self.evaluation.store(self.state, at, 4, AbstractValue::Known(0x8000_0001));
        CallModel::Result(AbstractValue::UNKNOWN)
    }
}

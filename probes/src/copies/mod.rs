//! The loader of private copies: makes an interpreter load extension modules from files of its own.
//!
//! Interpreters that map the same file share its static data. With a copy for each interpreter, each
//! has static data of its own. CPython's own loader does not fit: it runs init functions in the main interpreter
//! first (3.13+, `Python/import.c`), which leaks objects of the main interpreter into others, and it refuses
//! modules that declare no support. So this loader takes the same steps itself, in the importing interpreter.
//!
//! - [`install`]: replaces functions of the module `_imp` in an interpreter.
//! - [`load_copy`]: the steps of a load, with [`module_file`], [`shared_object`], [`init_function`],
//!   [`single_phase`] and [`multi_phase`].
//! - [`package_context`]: CPython's thread-local variable with the name of the module that is being imported.
//! - [`check_override`]: switches CPython's check of declarations off for copies only.
//! - [`process_trees`]: the trees of a process; [`copy_tree`]: which file is a copy of which.
//! - [`library_opening`]: libraries opened by path.
//! - [`faulthandler`]: the one module that CPython refuses and this loader admits.
//! - [`extension_module`]: this library as an extension module of its own.

mod check_override;
mod copied_definitions;
mod copy_tree;
mod extension_module;
mod faulthandler;
mod init_function;
mod install;
mod library_opening;
mod load_copy;
mod loader_state;
mod module_file;
mod multi_phase;
mod package_context;
mod process_trees;
mod raise;
mod shared_object;
mod single_phase;
mod slots;

pub(crate) use install::install_copy_loader;
pub(crate) use package_context::find_package_context;
pub(crate) use process_trees::{
    ImageOrigin, copy_of, current_tree, find_origin, has_copy, has_trees, install_next_tree, is_mirrored,
    set_process_trees,
};

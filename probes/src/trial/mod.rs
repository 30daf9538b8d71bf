//! The trial side of the probes: the zygote, which forks a child process for each trial, and what that child
//! does and records.

mod arena_accesses;
mod arenas;
mod bind_mounts;
mod call_control;
mod child;
mod crash_handler;
mod descriptor_sentinel;
mod ended_interpreters;
mod file_access_log;
mod free_poisoning;
mod heap_scribble;
mod isolation;
mod main_interpreter;
mod module_definition;
mod namespace_diff;
mod observe;
mod page_watch;
mod private_copies;
mod process_threads;
mod record;
mod resource_limits;
mod retained_objects;
mod scenarios;
mod shared_memory;
mod sharing;
mod signal_context;
mod stress_test;
mod subject_sequence;
mod supervise;
mod thread_ids;
mod thread_states;
mod trial_interpreter;
mod watched_objects;
pub(crate) mod zygote;

pub(crate) use crash_handler::install_signal_stack;

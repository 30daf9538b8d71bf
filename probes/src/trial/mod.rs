//! Trials, from the inside: the zygote that forks a child for each, the child's steps, and its record.

mod arenas;
mod child;
mod crash;
mod definition;
mod descriptors;
mod ending;
mod exit;
mod folders;
mod freed;
mod ids;
mod kept;
mod left;
mod limits;
mod observe;
mod record;
mod shared_memory;
mod sharing;
mod steps;
mod storm;
mod supervise;
mod touched;
mod turns;
mod uses;
mod watch;
pub(crate) mod zygote;

pub(crate) use crash::spare_stack;

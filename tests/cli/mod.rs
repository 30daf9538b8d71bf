//! The command line: options, exit statuses, the answer and what is printed.

mod answers;
mod blockers;
mod bytecode;
mod cache;
mod commands;
mod demo;
mod diff;
mod gate;
mod index;
mod interruption;
mod inventory;
mod module;
mod module_judged;
mod packaging;
mod pre_commit;
mod same_document;
mod survey;
mod top;
mod upgrades;
mod wrong_usage;

//! Applications: what they import, and the requests they answer.

mod application;
mod reached_modules;
mod real_applications;
mod request_values;
mod requests;
mod search_paths;
mod source_hazards;

//! Renders the report as a single HTML page, which loads nothing from outside and works without JavaScript.
//!
//! [`page`] is the whole page with its content security policy. Its upper part is in [`answers`] and
//! [`causes`], its table in [`distribution_table`], the details of a row in [`subject`] and [`declaration`],
//! and the rules' pages in [`rule_pages`]. Templates (`.html`), style and script are in the same folder.

mod answers;
mod causes;
mod declaration;
mod distribution_table;
mod escaper;
mod page;
mod rule_pages;
mod subject;
mod text;
mod verdict_cell;

pub use escaper::Escaper;
pub use page::{csp_digest, render};

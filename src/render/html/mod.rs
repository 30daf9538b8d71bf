//! The report as one HTML page, which asks for nothing from outside and works without JavaScript.
//!
//! [`page`] holds the whole and its policy; [`answers`] and [`causes`] are its upper part, [`rows`] its table,
//! [`subject`] and [`declared`] what a row opens to, [`ways`] the rules' pages. Templates (`.html`), style and
//! script lie beside them.

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
pub use page::render;

//! The sections that a directive stands in, which decide what it changes.

use super::request_settings::RequestSettings;
use super::sections::SectionCondition;
use super::site::ApacheSite;

/// The sections around the directive that is being applied.
#[derive(Clone, Debug, Default)]
pub(super) struct EnclosingSections {
    pub(super) server: usize,
    pub(super) around: Vec<SectionCondition>,
    /// The index of the section whose settings directives change.
    pub(super) section: Option<usize>,
    pub(super) block: Option<usize>,
    /// Whether `<Limit>` or `<LimitExcept>` excludes GET.
    pub(super) is_not_for_get: bool,
}

impl EnclosingSections {
    /// Returns the settings of a site that directives change here.
    pub(super) fn settings_mut<'s>(&self, site: &'s mut ApacheSite) -> &'s mut RequestSettings {
        let server = &mut site.servers[self.server];
        let section = self.section.and_then(|index| server.sections.get_mut(index));
        section.map_or(&mut server.settings, |section| &mut section.settings)
    }
}

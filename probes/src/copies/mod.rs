//! SKELETON by the coordinator: the owner of this folder replaces it.
pub(crate) unsafe fn find_package_context() -> Result<(), String> { Err("not built yet".to_owned()) }
pub(crate) unsafe fn install_copy_loader(_tree: &str) -> Result<(), String> { Err("not built yet".to_owned()) }

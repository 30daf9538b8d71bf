//! The functions and types that a file defines outside of its tests.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::sources::{SourceFile, is_test_only};

/// What a file defines.
#[derive(Default)]
pub struct Items {
    /// Functions and methods, also those that implement a trait.
    pub functions: Vec<Function>,
    /// Structs, enums, unions, traits and type aliases; no associated types.
    pub types: Vec<String>,
}

/// A function or method.
pub struct Function {
    /// Its name.
    pub name: String,
    /// From its signature to its closing brace.
    pub lines: usize,
}

impl Function {
    /// Whether the name is a single word.
    pub fn has_one_word(&self) -> bool {
        !self.name.trim_matches('_').contains('_')
    }
}

/// Collects what `file` defines.
pub fn collect_items(file: &SourceFile) -> Items {
    let mut items = Items::default();
    items.visit_file(&file.syntax);
    items
}

impl Items {
    fn add_function(&mut self, name: &syn::Ident, whole: impl Spanned) {
        let span = whole.span();
        let lines = span.end().line - span.start().line + 1;
        self.functions.push(Function { name: name.to_string(), lines });
    }
}

impl<'ast> Visit<'ast> for Items {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test_only(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add_function(&function.sig.ident, function);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add_function(&function.sig.ident, function);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add_function(&function.sig.ident, function);
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.types.push(item.ident.to_string());
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.types.push(item.ident.to_string());
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.types.push(item.ident.to_string());
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.types.push(item.ident.to_string());
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.types.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
    }
}

//! The paths that a file names outside of its tests: of its `use` declarations, its code and the arguments of its
//! macros.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::sources::{SourceFile, is_test_only};

/// What a file names.
#[derive(Default)]
pub struct References {
    /// Each name that a `use` declaration brings into the file, with the path that it stands for as written.
    pub imports: BTreeMap<String, Vec<String>>,
    /// The modules of whose items a `use` declaration brings in all.
    pub globs: Vec<Vec<String>>,
    /// Paths of code and macro arguments, as written.
    pub paths: Vec<Vec<String>>,
    /// The items that the file itself defines at its top level.
    pub definitions: BTreeSet<String>,
}

/// Collects what `file` names.
pub fn collect_references(file: &SourceFile) -> References {
    let definitions = file.syntax.items.iter().filter_map(item_name).collect();
    let mut references = References { definitions, ..References::default() };
    references.visit_file(&file.syntax);
    references
}

fn item_name(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Mod(item) => &item.ident,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::TraitAlias(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        syn::Item::ExternCrate(_)
        | syn::Item::ForeignMod(_)
        | syn::Item::Impl(_)
        | syn::Item::Use(_)
        | syn::Item::Verbatim(_) => return None,
        _ => return None,
    };
    Some(name.to_string())
}

impl References {
    fn add_use_tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| {
            let mut path = before.to_vec();
            if name != "self" || path.is_empty() {
                path.push(name.to_string());
            }
            path
        };
        match tree {
            syn::UseTree::Path(path) => self.add_use_tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => {
                let path = with(&name.ident);
                self.imports.extend(path.last().cloned().map(|last| (last, path)));
            }
            syn::UseTree::Rename(renamed) => {
                let path = with(&renamed.ident);
                // `as _` brings in a trait's methods under no name.
                let name = if renamed.rename == "_" { path.join("::") } else { renamed.rename.to_string() };
                self.imports.insert(name, path);
            }
            syn::UseTree::Glob(_) => self.globs.push(before.to_vec()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use_tree(tree, before)),
        }
    }

    /// The arguments of a macro are no syntax tree: takes each run of names that `::` joins.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        // Two join names; one stands between a field and its value.
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut path);
                    self.add_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.end_path(&mut path),
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<String>) {
        let ended = std::mem::take(path);
        if !ended.is_empty() {
            self.paths.push(ended);
        }
    }
}

impl<'ast> Visit<'ast> for References {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test_only(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

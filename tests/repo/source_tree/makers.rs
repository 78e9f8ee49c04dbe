//! The places that construct values of a struct.

use syn::visit::{self, Visit};

use super::{Module, Target, Tree};

/// The files and functions that construct the struct other than by copying a value.
pub fn places_that_make(name: &str, tree: &Tree) -> Vec<String> {
    let mut makers = Makers { tree, name, module: 0, function: String::new(), in_own_impl: false, places: Vec::new() };
    for (id, module) in tree.modules.iter().enumerate() {
        makers.module = id;
        module.items.iter().for_each(|item| makers.visit_item(item));
    }
    makers.places
}

struct Makers<'a> {
    tree: &'a Tree,
    name: &'a str,
    module: usize,
    function: String,
    in_own_impl: bool,
    places: Vec<String>,
}

impl Makers<'_> {
    fn is_own(&self, path: &syn::Path) -> bool {
        if path.is_ident("Self") {
            return self.in_own_impl;
        }
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.tree
            .resolve(self.module, &names, path.leading_colon.is_some())
            .iter()
            .any(|target| matches!(target, Target::Item { name, rest, .. } if name == self.name && rest.is_empty()))
    }

    fn note(&mut self, path: &syn::Path) {
        if self.is_own(path) {
            let Module { file, .. } = &self.tree.modules[self.module];
            self.places.push(format!("{file}: {}", self.function));
        }
    }
}

impl<'a> Visit<'a> for Makers<'_> {
    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let is_clone = item.trait_.as_ref().is_some_and(|(_, path, _)| path.is_ident("Clone"));
        let is_own = matches!(&*item.self_ty, syn::Type::Path(kind) if self.is_own(&kind.path));
        if !(is_own && is_clone) {
            self.in_own_impl = is_own;
            visit::visit_item_impl(self, item);
            self.in_own_impl = false;
        }
    }

    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        self.function = signature.ident.to_string();
    }

    fn visit_expr_struct(&mut self, value: &'a syn::ExprStruct) {
        self.note(&value.path);
        visit::visit_expr_struct(self, value);
    }

    fn visit_expr_path(&mut self, value: &'a syn::ExprPath) {
        // A tuple struct's constructor, called or handed to `map`.
        self.note(&value.path);
    }
}
